from faults.outcome import Outcome, Trial, format_table


def test_one_row_for_each_fault_and_their_sum():
    trials = [Trial("kill", Outcome.RIGHT, lost=2), Trial("kill", Outcome.WRONG, lost=3), Trial("yaml", Outcome.HANG)]
    lines = format_table(trials).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "---" not in line] == [
        ["fault", "tried", "documented error", "right result", "cannot tell", "wrong figure", "crash", "hang",
         "lost iterations"],
        ["kill", "2", "0", "1", "0", "1", "0", "0", "5"],
        ["yaml", "1", "0", "0", "0", "0", "0", "1", "0"],
        ["all", "3", "0", "1", "0", "1", "0", "1", "5"],
    ]  # fmt: skip
