import hashlib
import hmac

from components.cohort.pseudonym import key_fingerprint, pseudonym

KEY = b"k" * 32


def test_it_is_hmac_sha256_with_its_kind():
    expected = hmac.new(KEY, b"patient\x00MRN-1", hashlib.sha256).hexdigest()[:12]
    assert pseudonym(KEY, "patient", "MRN-1") == "p" + expected


def test_kind_value_and_key_all_count():
    names = {pseudonym(k, kind, v) for k in (KEY, b"x" * 32) for kind in ("patient", "case") for v in "ab"}
    assert len(names) == 8


def test_the_fingerprint_tells_keys_apart_without_being_a_pseudonym():
    assert key_fingerprint(KEY) != key_fingerprint(b"x" * 32)
    assert len(key_fingerprint(KEY)) == 16


def test_a_file_name_need_not_be_utf_8():
    name = b"scan\xff.nii".decode(errors="surrogateescape")
    expected = hmac.new(KEY, b"source\x00scan\xff.nii", hashlib.sha256).hexdigest()[:12]
    assert pseudonym(KEY, "source", name) == "s" + expected
