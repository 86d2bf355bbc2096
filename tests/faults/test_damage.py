"""A store whose files are damaged: put away and never deleted, said so, and filled again by the agents."""

from __future__ import annotations

import logging
import random
import signal
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from tests.faults.rig import Rig, sized
from tests.running import until
from tests.synthetic import batch, full_row, opened, sample
from virtscope.catalogue import Scope
from virtscope.sample import now_ms
from virtscope.store.damage import is_damage
from virtscope.store.database import Database

log = logging.getLogger(__name__)

BLOCK = 256 * 1024
"""Of DuckDB's file."""
HEADERS = 3 * 4096


def flip(path: Path, *places: int) -> None:
    """Change one bit at each place of a file."""
    data = bytearray(path.read_bytes())
    for place in places:
        data[place] ^= 0x10
    path.write_bytes(data)


def tear_the_log(data: Path) -> None:
    path = data / "hot.duckdb.wal"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


def flip_a_byte_of_the_log(data: Path) -> None:
    path = data / "hot.duckdb.wal"
    flip(path, path.stat().st_size // 2)


def flip_a_page(data: Path) -> None:
    path = data / "hot.duckdb"
    size = path.stat().st_size
    flip(path, *range(HEADERS + BLOCK // 2, size, BLOCK))


def cut_the_file(data: Path) -> None:
    path = data / "hot.duckdb"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_damaged_store_is_filled_again(rig: Rig) -> None:
    """Damage after damage to one store. Of a torn log only the agents hear; all else is put away, and said."""
    server, agents = rig.both(2)
    put_away = 0
    for damage, how, is_seen in (
        (tear_the_log, signal.SIGKILL, False),
        (flip_a_byte_of_the_log, signal.SIGKILL, True),
        (flip_a_page, signal.SIGTERM, True),
        (cut_the_file, signal.SIGTERM, True),
    ):
        for _ in range(2):  # several transactions
            agents.emit(3, now_ms() - 30_000)
            agents.delivered()
        assert rig.balance().is_even
        server.end(how)
        damage(rig.data)
        put_away += is_seen
        server = rig.server()
        agents.emit(1, now_ms())
        until(lambda: not rig.balance().missing, "what was lost, from the agents")
        found = rig.balance()
        log.info("%s: %s", damage.__name__, found)
        assert found.is_even, (damage, found)
        assert server.get("/readyz")["status"] == ("degraded" if put_away else "ok"), damage
        assert len(list(rig.data.glob("quarantine/*/reason.txt"))) == put_away
        assert len(list(rig.data.glob("quarantine/*/hot.duckdb"))) == put_away
        names = until(lambda: {one["name"] for one in server.get("/api/v1/domains")["domains"]}, "the inventory")  # noqa: B023
        assert names == {"guest0", "guest1", "guest2"}
        assert {one["name"] for one in server.get("/api/v1/hosts")["hosts"]} == {"agent000", "agent001"}


@pytest.mark.parametrize("number", range(sized(4, 60)))
def test_any_damage_is_found_when_the_store_is_opened(tmp_path: Path, number: int) -> None:
    """Whatever a file has suffered: it opens with everything that it has, or it is damage, and never anything else."""
    chance = random.Random(number)
    with opened(tmp_path / "data") as made:
        for sequence in range(1, 20):
            rows = [full_row(Scope.DOMAIN, (f"domain{n}",), lambda _: chance.getrandbits(62)) for n in range(20)]
            made.store.append([batch(sequence, sample("host", 1_700_000_000_000 + sequence, {Scope.DOMAIN: rows}))])
    path = tmp_path / "data/hot.duckdb"
    size = path.stat().st_size
    match number % 4:
        case 0:
            flip(path, *(chance.randrange(size) for _ in range(20)))
        case 1:
            path.write_bytes(path.read_bytes()[: chance.randrange(size)])
        case 2:
            path.write_bytes(chance.randbytes(5_000))
        case _:
            path.write_bytes(b"")
    database = Database(tmp_path / "data")
    try:
        database.read_through()
        count = database.cursor().execute("SELECT count(*) FROM domain").fetchall()[0][0]
        assert count in (0, 19 * 20)
    except duckdb.Error as error:
        if not is_damage(error):
            raise
    finally:
        with suppress(duckdb.Error):
            database.close()
