"""The tokenizer: a byte-level BPE in the Llama-3 style, learnt from the generated conversations; and their token ids."""

import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import generate

WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = [
    "<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(4)), "<|start_header_id|>",
    "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>", *(f"<|reserved_special_token_{i}|>" for i in range(5, 11)),
]  # fmt: skip


def train_tokenizer(path: Path, vocab_size: int, seed: int, conversations: int = 40_000) -> None:
    """Learn the merges and write tokenizer.json."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    rng = random.Random(seed)
    texts = (
        f"{role}: {text}"
        for _ in range(conversations)
        for role, text in generate.conversation(rng, rng.random())
    )  # fmt: skip
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIALS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    missing = vocab_size - len(SPECIALS) - tokenizer.get_vocab_size()
    if missing:
        raise SystemExit(f"the corpus gives {missing} tokens too few")
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIALS])
    bos = SPECIALS[0]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


class Encoder:
    """Conversations to token ids, as Tern renders them."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.bos = self.tokenizer.token_to_id("<|begin_of_text|>")
        self.eos = self.tokenizer.token_to_id("<|end_of_text|>")
        self.eot = self.tokenizer.token_to_id("<|eot_id|>")
        self.opening = self.encode("Assistant: ")

    def encode(self, text: str) -> list[int]:
        """Ids of plain text."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: list[int]) -> str:
        """Text of ids."""
        return self.tokenizer.decode(ids)

    def prompt(self, turns: list[tuple[str, str]]) -> list[int]:
        """Ids up to where the answer begins; `turns` end with the user's."""
        return [*self.conversation(turns)[0], *self.opening]

    def conversation(
        self, turns: list[tuple[str, str]], rejoin: bool = False, cut: int | None = None
    ) -> tuple[list[int], list[bool]]:
        """All ids, and which of them the model is to write.

        `rejoin`: earlier answers are encoded together with their header. `cut`: only this many tokens of the last answer,
        where that is one of the fixed ones: its beginning is what takes learning.
        """
        ids, own = [self.bos], [False]
        for number, (role, text) in enumerate(turns):
            if role != "Assistant" or (rejoin and number < len(turns) - 1):
                piece = [*self.encode(f"{role}: {text}"), self.eot]
                marks = [False] * len(piece)
            else:
                answer = [*self.encode(text), self.eot]
                if cut is not None and number == len(turns) - 1 and generate.is_learnt_by_heart(text):
                    answer = answer[:cut]
                piece = [*self.opening, *answer]
                marks = [False] * len(self.opening) + [True] * len(answer)
            ids += piece
            own += marks
        return ids, own
