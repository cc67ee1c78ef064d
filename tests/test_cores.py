"""How many processors a process may use."""

from __future__ import annotations

import os

from mlops_cli.cores import cores, quota


def test_affinity_counts():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_share_of_a_container_counts_on_whatever_level_it_is_given(tmp_path):
    me = tmp_path / "me"
    me.write_text("0::/pod/container\n")
    (tmp_path / "pod/container").mkdir(parents=True)
    assert quota(tmp_path, me) == os.cpu_count()
    (tmp_path / "pod/cpu.max").write_text("250000 100000\n")
    (tmp_path / "pod/container/cpu.max").write_text("max 100000\n")
    assert quota(tmp_path, me) == 3
    (tmp_path / "pod/container/cpu.max").write_text("20000 100000\n")
    assert quota(tmp_path, me) == 1


def test_the_older_groups_count_too_and_a_path_that_is_the_hosts(tmp_path):
    me = tmp_path / "me"
    me.write_text("5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n")
    assert quota(tmp_path, me) == os.cpu_count()
    (tmp_path / "cpu").mkdir()  # /docker/abc is not there: the container's group is the top
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("150000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert quota(tmp_path, me) == 2
    (tmp_path / "cpu/docker/abc").mkdir(parents=True)
    (tmp_path / "cpu/docker/abc/cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu/docker/abc/cpu.cfs_period_us").write_text("100000\n")
    assert quota(tmp_path, me) == 2
    (tmp_path / "cpu/docker/abc/cpu.cfs_quota_us").write_text("50000\n")
    assert quota(tmp_path, me) == 1
