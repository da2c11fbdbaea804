"""Tiny vocabularies of the two kinds that embedding models have, with the keys that a converter writes for them."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
CORPUS = (
    "The quick brown fox jumps over the lazy dog. A small model reads documents on this computer and finds what is "
    "near in meaning. Given a web search query, retrieve relevant passages that answer the query. Instruct: Query: "
    'fn main() { println!("hello"); } Der schnelle braune Fuchs springt. Größe naïve 今日は世界 12 345 3.14 the then '
    "there these this that those reading reader documents document models modelling computing queries answers\n"
)  # fmt: skip
LOOK_ALIKES = re.compile(r"<\|?\w+\|?>")


@dataclass
class Vocabulary:
    """What goes into the header, and the same for the reference's tokenizer classes."""

    kind: str
    pre: str
    tokens: list[str]
    types: list[int]
    scores: list[float]
    merges: list[tuple[str, str]]
    ids: dict[str, int]
    flags: dict[str, bool]

    def of_type(self, kind: int) -> list[int]:
        return [i for i, found in enumerate(self.types) if found == kind]

    def trained(self) -> dict[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    def around(self, ids: list[int]) -> list[int]:
        bos = [self.ids["bos"]] if self.flags.get("add_bos_token") else []
        return [*bos, *ids, self.ids["eos"]]

    def halves(self, text: str) -> list[str]:
        """Return `text` cut inside each look-alike of a control token, at places where no merge crosses."""
        cuts = sorted({cut for found in LOOK_ALIKES.finditer(text) for cut in (found.start() + 1, found.end() - 1)})
        return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def byte_alphabet() -> dict[int, str]:
    """GPT-2's map from bytes to the characters of a vocabulary."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def learned(words: list[list[str]], n: int) -> list[tuple[str, str]]:
    """Return the first `n` merges of plain BPE over `words`."""
    merges: list[tuple[str, str]] = []
    for _ in range(n):
        pairs = Counter(pair for word in words for pair in pairwise(word))
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        for word in words:
            at = 0
            while at < len(word) - 1:
                if (word[at], word[at + 1]) == best:
                    word[at : at + 2] = ["".join(best)]
                at += 1
    return merges


def qwen_vocabulary() -> Vocabulary:
    """Byte-level BPE, 256 bytes and 120 merges, control tokens at the end, no BOS."""
    alphabet = byte_alphabet()
    spelled = [[alphabet[byte] for byte in word.encode()] for word in re.findall(r" ?\w+|[^\w]+", CORPUS)]
    merges = [merge for merge in learned(spelled, 120) if not re.search(r"[<>|]", "".join(merge))]
    tokens = [alphabet[byte] for byte in range(256)] + ["".join(merge) for merge in merges]
    tokens = list(dict.fromkeys(tokens))
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>"]
    types = [NORMAL] * len(tokens) + [CONTROL] * len(control)
    ids = {"eos": len(tokens), "padding": len(tokens)}
    flags = {"add_eos_token": True}
    return Vocabulary("gpt2", "qwen2", tokens + control, types, [], merges, ids, flags)


def gemma_vocabulary() -> Vocabulary:
    """SentencePiece BPE with byte fallback: control, user-defined, byte and learned tokens, scores as converted.

    The reference gets every way to make a token as a merge, as transformers' converter derives them from
    SentencePiece; the file gets minus the rank of the first one as the token's score.
    """
    control = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", "<table>"]
    runs = [char * n for char in ("\n", "\u2581") for n in (2, 3, 4)]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    chars = sorted(set(CORPUS.replace(" ", "\u2581")) | set("<>_|\n"))
    words = [list(word.replace(" ", "\u2581")) for word in re.findall(r" ?\w+", CORPUS)]
    pieces = [piece for piece in dict.fromkeys("".join(merge) for merge in learned(words, 150)) if piece not in chars]
    tokens = [*control, *runs, *byte_tokens, *chars, *pieces]
    types = [CONTROL] * len(control) + [USER_DEFINED] * len(runs) + [BYTE] * 256 + [NORMAL] * (len(chars) + len(pieces))
    types[3] = UNKNOWN
    known = {*runs, *chars, *pieces}
    merges: list[tuple[str, str]] = []
    first: dict[str, int] = {}
    for piece in [*reversed(runs), *pieces]:
        for cut in range(len(piece) - 1, 0, -1):
            if piece[:cut] in known and piece[cut:] in known:
                first.setdefault(piece, len(merges))
                merges.append((piece[:cut], piece[cut:]))
    placeholder = (CONTROL, USER_DEFINED)
    scores = [
        -1000.0 if kind in placeholder else -float(first.get(token, 0))
        for token, kind in zip(tokens, types, strict=True)
    ]
    ids = {"bos": 2, "eos": 1, "unknown": 3, "padding": 0}
    flags = {"add_space_prefix": False, "add_bos_token": True, "add_eos_token": True}
    return Vocabulary("llama", "default", tokens, types, scores, merges, ids, flags)
