import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmaudit.errors import BundleError
from mmaudit.evidence import prompt_rows, redact

SECRETS = [
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("https://user:hunter2@host.example/x", "hunter2"),
    ("https://user:p@ss@host.example/x", "p@ss"),
    ("postgres://admin:s3cret@db/prod", "s3cret"),
    ("https://x.example/?access_token=abc123", "abc123"),
    ("Authorization: Bearer abcdef.ghi-jkl", "abcdef"),
    ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWIi"),
    ("sk-proj-abcdefgh", "abcdefgh"),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F"),
    ("hf_abcdefghijkl", "abcdefghijkl"),
    ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
    ("AIzaSyA-1234567890abcdef", "1234567890"),
    ("password: correct", "correct"),
    ('password="correct horse battery"', "horse"),
    ("PASSWORD = 'a b'", "a b"),
    ('{"api_key": "q w e"}', "q w e"),
    ("export AWS_SECRET_ACCESS_KEY=ab/cd+ef", "ab/cd"),
    ("secret=x/sk-aaaaaaaaaaaa!tail", "tail"),
    ("the password is swordfish", "swordfish"),
    ("mail jane.doe+x@mail.example.org now", "jane.doe"),
    ("/home/jane/data/cat.png", "jane"),
    ("../private/jane/x", "jane"),
    ("~/jane/x.png", "jane"),
    ("~jane/", "jane"),
    ("file:///home/jane", "jane"),
    ("C:\\Users\\jane\\x.png", "jane"),
    ("\\\\server\\jane", "jane"),
    ("d41d8cd98f00b204e9800998ecf8427e", "d41d8cd9"),
    ("D4:1D:8C:D9:8F:00:B2:04:E9:80:09:98:EC:F8:42:7E", "8F:00"),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "K7MDENG"),
    ("sk-\u200bproj-abcdefgh", "abcdefgh"),
    ("s\u00adk-proj-abcdefgh", "abcdefgh"),
    ("ｓｋ-proj-abcdefgh", "abcdefgh"),
    ("sk-\x00proj-abcdefgh", "abcdefgh"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
@pytest.mark.parametrize("frame", ["{}", "describe ({}) please", "x\n{}\ny", "{} {}"])
def test_secrets_are_masked_wherever_they_stand(text: str, secret: str, frame: str) -> None:
    shown = redact(frame.replace("{}", text))
    assert secret not in shown
    assert "[masked" in shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a photo of a {}, in and/or out of doors",
        "image/text pairs from 1/2/2023, 16x16 px, r@1 of 0.70",
        "a striped circle at 45 degrees; pass it on",
        "describe the secret garden in ten words",
        "internationalization-of-counterrevolutionaries",
    ],
)
def test_ordinary_prompts_are_kept(text: str) -> None:
    assert redact(text) == text


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from([text for text, _ in SECRETS])
        | st.text(max_size=12)
        | st.sampled_from(list(" =:/@~\"'")),
        max_size=6,
    ).map("".join)
)
def test_masking_twice_changes_nothing_and_the_result_is_utf8(text: str) -> None:
    shown = redact(text)
    assert redact(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "unit", ["a@", "://", 'token="', "eyJ", "~", "/a", "-----BEGIN ", "AB:", "is ", "\\\\"]
)
def test_a_long_hostile_prompt_is_cut(unit: str) -> None:
    shown = redact(unit * 20_000 + " password=hunter2")
    assert "hunter2" not in shown
    assert len(shown) < 300_000


def test_without_a_key_the_digest_is_of_what_is_shown_so_a_secret_cannot_be_searched_for() -> None:
    first, second = prompt_rows([{"name": "a", "text": "pin token=1"}, {"name": "b", "text": "pin token=2"}])
    assert first["digest_of"] == "redacted"
    assert first["hmac_sha256"] == second["hmac_sha256"]


def test_with_a_key_the_digest_is_of_the_text() -> None:
    (row,) = prompt_rows([{"name": "a", "text": "pin token=1"}], b"k")
    assert row["digest_of"] == "text"
    assert row["hmac_sha256"] == hmac.new(b"k", b"pin token=1", hashlib.sha256).hexdigest()
    assert row["characters"] == 11
    assert "token=1" not in str(row)


def test_a_malformed_prompt_is_refused() -> None:
    with pytest.raises(BundleError, match="needs a name and a text"):
        prompt_rows([{"prompt": "x"}])
