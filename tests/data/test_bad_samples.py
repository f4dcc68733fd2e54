"""Faults of samples as values, and the account of them."""

import logging

import pytest

from inet_d2.data.bad_samples import BadSamplePolicy, BadSamples, Fault, GuardedMapper, LoadedSample, LoadingError


def bad(message="image a.jpg cannot be decoded", value="b"):
    return LoadedSample(value, (Fault(message, "Traceback"),))


def account(share=0.5, epoch=4):
    return BadSamples(BadSamplePolicy(skips=True, max_share=share), epoch=epoch, advice="mend it")


@pytest.mark.parametrize("error", [FileNotFoundError("image a.jpg is missing"), ValueError("image a.jpg: no")])
def test_a_fault_of_data_is_a_value_that_names_the_file(error):
    def fail(item):
        raise error

    found = GuardedMapper(fail)({"first": {"file_name": "a.jpg"}, "second": {"file_name": "b.jpg"}})
    assert found.value is None
    assert [fault.message for fault in found.faults] == [str(error)]
    assert f"raise error\n{type(error).__name__}" in found.faults[0].trace


def test_a_fault_that_names_no_file_gets_the_names_of_the_item():
    def fail(item):
        raise ValueError("a gain below 0")

    item = {"pid": 1, "appearances": [{"file_name": name} for name in ("a.jpg", "b.jpg", "a.jpg")]}
    assert GuardedMapper(fail)(item).faults[0].message == "a.jpg, b.jpg: a gain below 0"
    assert GuardedMapper(fail)("no record").faults[0].message == "a gain below 0"


def test_nothing_is_a_fault():
    assert (
        GuardedMapper(lambda item: None)({"file_name": "a.jpg"}).faults[0].message == "a.jpg: the mapper gave nothing"
    )


def test_a_fault_of_the_program_is_raised():
    with pytest.raises(ZeroDivisionError):
        GuardedMapper(lambda item: 1 / 0)({"file_name": "a.jpg"})


def test_each_fault_is_told_once(caplog):
    samples = account(share=0.9)
    with caplog.at_level(logging.WARNING):
        samples.add([bad(), LoadedSample("c"), bad(), bad("image d.jpg is missing")])
    assert [line.getMessage() for line in caplog.records] == [
        "Left out, another sample takes its place: image a.jpg cannot be decoded",
        "Left out, another sample takes its place: image d.jpg is missing",
    ]
    assert (samples.num_taken, samples.num_replaced) == (4, 3)
    assert samples.worst() == "image a.jpg cannot be decoded [2 x], image d.jpg is missing [1 x]"


def test_the_share_counts_from_an_epoch_on():
    samples = account(share=0.25, epoch=8)
    samples.add([bad(), bad()])  # 2 of 8
    message = (
        r"3 of 3 samples could not be loaded \(image a\.jpg cannot be decoded \[3 x\]\), more than .*MAX_BAD_SHARE"
    )
    with pytest.raises(LoadingError, match=message):
        samples.add([bad()])
    samples = account(share=0.25, epoch=8)
    samples.add([LoadedSample("c")] * 10)
    samples.add([bad()] * 3)  # 3 of 13: 0.231
    with pytest.raises(LoadingError, match="4 of 14"):  # 0.286
        samples.add([bad()])


def test_a_sample_without_a_value_ends_the_run():
    with pytest.raises(LoadingError, match=r"^image a\.jpg cannot be decoded; mend it\.$"):
        account().add([bad(value=None)])
    with pytest.raises(LoadingError, match=r"^no \(2 samples in a row\); mend it.$"):
        account().add([LoadedSample(None, bad().faults + bad("no.").faults)])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("ON_BAD_SAMPLE", "ignore", "ON_BAD_SAMPLE: expected one of raise, skip, found 'ignore'"),
        ("MAX_BAD_SHARE", 1.0, r"MAX_BAD_SHARE: expected a share in \[0, 1\), found 1.0"),
        ("MAX_BAD_SHARE", float("nan"), "MAX_BAD_SHARE: expected a share"),
    ],
)
def test_values_out_of_range_are_refused(cfg, key, value, message):
    cfg.DATALOADER[key] = value
    with pytest.raises(ValueError, match=message):
        BadSamplePolicy.from_config(cfg)
