from inet_d2.evaluation import format_results


def test_one_line_per_figure_under_its_own_name():
    table = format_results({"search": {"mAP": 71.238, "top1": 100.0}, "detection": {"AP": 8.5}})
    assert table.splitlines() == [
        "| task      | metric |  value |",
        "| --------- | ------ | ------ |",
        "| search    | mAP    |  71.24 |",
        "| search    | top1   | 100.00 |",
        "| detection | AP     |   8.50 |",
    ]


def test_nothing():
    assert format_results({}).count("\n") == 1
