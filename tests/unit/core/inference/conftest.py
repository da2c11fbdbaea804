import os
from pathlib import Path

import pytest

from core.inference.config import TokenId, config_2b4t, load_config
from core.inference.tokenizer import Tokenizer

LLAMA3_VARIABLE = "TERN_LLAMA3_TOKENIZER"


@pytest.fixture(scope="session")
def model_dir(fixtures_dir: Path) -> Path:
    return fixtures_dir / "tied-h256" / "hf-packed"


@pytest.fixture(scope="session")
def tokenizer(model_dir: Path) -> Tokenizer:
    return Tokenizer.from_directory(model_dir, load_config(model_dir))


@pytest.fixture(scope="session")
def llama3() -> Tokenizer:
    """Return the tokenizer of the published 2B4T model, which is too large for the repository."""
    path = os.environ.get(LLAMA3_VARIABLE)
    if not path:
        pytest.skip(f"{LLAMA3_VARIABLE} does not name the tokenizer.json of the 128,256-entry vocabulary")
    return Tokenizer.from_directory(Path(path).parent, config_2b4t())


@pytest.fixture(scope="session")
def eot(tokenizer: Tokenizer) -> TokenId:
    token_id = tokenizer.special("<|eot_id|>")
    assert token_id is not None
    return token_id
