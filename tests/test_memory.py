"""How much memory a process may use."""

from __future__ import annotations

import os

from mlops_cli.memory import limits, memory


def test_no_more_than_the_machine_has():
    assert 1 << 28 < memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_what_a_container_is_given_counts_on_whatever_level(tmp_path):
    me = tmp_path / "me"
    me.write_text("0::/pod/container\n")
    (tmp_path / "pod/container").mkdir(parents=True)
    (tmp_path / "pod/container/memory.max").write_text("max\n")
    assert limits(tmp_path, me) == []
    (tmp_path / "pod/memory.max").write_text("1073741824\n")
    assert limits(tmp_path, me) == [1 << 30]


def test_the_older_groups_count_too(tmp_path):
    me = tmp_path / "me"
    me.write_text("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
    (tmp_path / "memory").mkdir()  # /docker/abc is not there: the container's group is the top
    (tmp_path / "memory/memory.limit_in_bytes").write_text("536870912\n")
    assert limits(tmp_path, me) == [1 << 29]
