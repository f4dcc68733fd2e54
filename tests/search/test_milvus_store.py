"""What is the server's own: it may be away, it has no transactions, it is named by an address."""

import json

import numpy as np
import pytest

from inet_d2.search import open_store
from inet_d2.search.commands.main import main

X = (1.0, 0.0)


@pytest.fixture
def address(milvus_server, request):
    return f"{milvus_server}/{request.node.name}"


def test_a_server_that_is_away_is_a_sentence(monkeypatch):
    pytest.importorskip("pymilvus", reason="an index on a server needs pymilvus: pip install pymilvus")
    monkeypatch.setattr("inet_d2.search.milvus_store.TIMEOUT", 0.5)
    with pytest.raises(OSError, match=r"index http://127\.0\.0\.1:9/a: the server does not do this .*is it running"):
        open_store("http://127.0.0.1:9/a", create=True)


def test_an_interrupted_source_is_no_answer_and_comes_without_doubles(address, make, monkeypatch):
    with open_store(address, create=True) as store:
        store.add([(make.source(0), [make.frame(X)])])
        write = type(store)._write_source

        def stop(self, source, came, *, is_pending):
            if not is_pending:
                raise KeyboardInterrupt
            write(self, source, came, is_pending=is_pending)

        monkeypatch.setattr(type(store), "_write_source", stop)
        with pytest.raises(KeyboardInterrupt):
            store.add([(make.source(1), [make.frame(X, X)])])
        monkeypatch.undo()
        assert len(store.sources()) == store.count().people == 1
        assert len(store.search(np.array([X], np.float32), 10)) == 1
        assert store.add([(make.source(1), [make.frame(X, X)])]) == (1, 2)
        assert store.count().people == len(store.search(np.array([X], np.float32), 10)) == 3


def test_long_values_are_kept_in_pieces(address):
    value = {"impostors": np.random.default_rng(0).random((400, 50)).round(5).tolist()}
    with open_store(address, create=True) as store:
        store.write_meta("curve", value)
        assert store.read_meta("curve") == value
        store.write_meta("curve", {"a": 1})
        assert store.read_meta("curve") == {"a": 1}


def test_the_commands_take_an_address(address, photos, colour_model, make, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config, weights = map(str, colour_model)
    assert main(["index", "photos", "--to", address, "--config-file", config, "--weights", weights]) == 0
    assert main(["index", "photos", "--to", address]) == 0
    assert "known: 5 files" in capsys.readouterr().out
    make.write(tmp_path / "q.png", make.green)
    assert main(["query", address, "--image", "q.png", "--top", "1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["found"][0]["path"].endswith("green.png")
    assert main(["remove", address, "--source", "green.png"]) == 0
    assert main(["info", address]) == 0
    assert "people: 4" in capsys.readouterr().out
