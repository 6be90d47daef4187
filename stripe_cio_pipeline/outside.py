"""Text from outside is data: names, messages and addresses that others wrote never become commands of what shows them.

`visible` is for terminals and logs, `escaped` for Markdown. Both keep every letter readable.
"""

import re
import unicodedata

#: Unicode's own kinds: control characters, invisible ones that turn or hide text, and what ends a line.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
#: They join letters of several scripts and parts of emoji, and turn nothing.
_JOINERS = "\u200c\u200d"

#: What begins something in Markdown or HTML, wherever it stands in a line.
_MARKS = re.compile(r"[\\`*\[\]<>|~!&$]|(?<![^\W_])_|_(?![^\W_])")
#: What GitHub's Markdown makes a link of without any mark.
_LINKS = re.compile(r"(?i)(?<=[a-z]):(?=//)|(?<=www)\.|(?<=mailto):|(?<=xmpp):")


def visible(text: str, *, lines: bool = False) -> str:
    r"""Write out what a terminal would act on: escapes, marks that turn the direction of text, ends of lines.

    `\x1b[31m` is then seen as these eight signs. `lines` leaves ends of lines and tabs, for text of our own.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if not _is_hidden(sign) or (lines and sign in "\n\t") else _written(sign) for sign in text)


def visible_json(text: str) -> str:
    r"""Write JSON with the same signs as `\u001b`: it is the same JSON, and harms no terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_as_json(sign) if _is_hidden(sign) and sign != "\n" else sign for sign in text)


def escaped(text: str) -> str:
    """Write text as Markdown that shows it as it is: no picture is fetched, no link made, no table ended."""
    marked = _MARKS.sub(lambda found: f"&#{ord(found[0])};", visible(text))
    return _LINKS.sub(lambda found: f"&#{ord(found[0])};", marked)


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in _HIDDEN and sign not in _JOINERS


def _written(sign: str) -> str:
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _as_json(sign: str) -> str:
    return "".join(
        f"\\u{unit[0] << 8 | unit[1]:04x}"
        for unit in zip(*[iter(sign.encode("utf-16-be", "surrogatepass"))] * 2, strict=True)
    )
