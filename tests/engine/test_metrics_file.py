import json
import math

import pytest

from inet_d2.engine.metrics_file import read_metrics


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "metrics.json"
        path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
        return path

    return write


def as_lists(metrics):
    return {name: (iterations.tolist(), values.tolist()) for name, (iterations, values) in metrics.items()}


def test_scalars_come_with_the_iterations_that_have_them(write):
    path = write({"iteration": 19, "b": 2, "a": 0.5}, {"iteration": 39, "b": 1.0})
    assert as_lists(read_metrics(path)) == {"a": ([19], [0.5]), "b": ([19, 39], [2.0, 1.0])}
    assert as_lists(read_metrics(path.parent)) == as_lists(read_metrics(path))


def test_what_a_resumed_run_did_anew_counts_once(write):
    # Stopped after 59, resumed from a checkpoint after 29: 39 and 59 of the first run are gone.
    before = [{"iteration": i, "a": 1.0} for i in (19, 39, 59)]
    path = write(*before, {"iteration": 49, "a": 2.0}, {"iteration": 69, "a": 2.0})
    assert as_lists(read_metrics(path)) == {"a": ([19, 39, 49, 69], [1, 1, 2, 2])}


def test_nan_is_a_value_and_a_line_cut_off_is_none(write):
    path = write('{"iteration": 19, "a": NaN}\n', '{"iteration": 39, "a"')
    ((iterations, values),) = read_metrics(path).values()
    assert iterations.tolist() == [19]
    assert math.isnan(values[0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}\n', {"iteration": 1}], r'line 1: expected {"iteration": .*found {"a": 1}'),
        (["no json\n"], "line 1: expected .* found no json"),
        ([{"iteration": 1, "a": "x"}, {"iteration": 2}], "line 1"),
        ([], "expected lines of scalars, found none"),
    ],
)
def test_other_files_are_refused(write, lines, message):
    with pytest.raises(ValueError, match=message):
        read_metrics(write(*lines))


def test_a_folder_without_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"metrics.json of a training, found no file; give its OUTPUT_DIR"):
        read_metrics(tmp_path)
