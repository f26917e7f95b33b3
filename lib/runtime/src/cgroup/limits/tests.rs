use super::*;
use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxInterfacePriority, LinuxNetwork, LinuxThrottleDevice, LinuxWeightDevice,
};

fn values(settings: &[Setting]) -> Vec<(&str, &str)> {
    settings.iter().map(|s| (s.file.as_ref(), s.value.as_str())).collect()
}

fn empty() -> LinuxResources {
    let mut resources = LinuxResources::default();
    resources.set_memory(None).set_cpu(None).set_pids(None);
    resources
}

fn memory(limit: Option<i64>, swap: Option<i64>) -> LinuxResources {
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit).set_swap(swap);
    let mut resources = empty();
    resources.set_memory(Some(memory));
    resources
}

fn in_v2(resources: &LinuxResources) -> Result<Vec<Setting>> {
    v2(resources, &Current::default())
}

fn cpu(build: impl FnOnce(&mut LinuxCpu) -> &mut LinuxCpu) -> LinuxResources {
    let mut cpu = LinuxCpu::default();
    build(&mut cpu);
    let mut resources = empty();
    resources.set_cpu(Some(cpu));
    resources
}

#[test]
fn swap_is_counted_together_in_v1_and_apart_in_v2() {
    let both = memory(Some(100), Some(150));
    let (one, two) = (v1(&both).unwrap(), in_v2(&both).unwrap());
    assert_eq!(values(&one), [("memory.limit_in_bytes", "100"), ("memory.memsw.limit_in_bytes", "150")]);
    assert_eq!(values(&two), [("memory.max", "100"), ("memory.swap.max", "50")]);
    let cases: [(_, _, &[(&str, &str)]); 5] = [
        (Some(100), Some(100), &[("memory.max", "100"), ("memory.swap.max", "0")]),
        (Some(100), Some(-1), &[("memory.max", "100"), ("memory.swap.max", "max")]),
        (Some(-1), None, &[("memory.max", "max"), ("memory.swap.max", "max")]),
        (Some(-1), Some(70), &[("memory.max", "max"), ("memory.swap.max", "70")]),
        (Some(0), Some(0), &[]),
    ];
    for (limit, swap, expected) in cases {
        assert_eq!(values(&in_v2(&memory(limit, swap)).unwrap()), expected, "{limit:?} {swap:?}");
    }
    assert!(in_v2(&memory(Some(100), Some(50))).is_err() && v1(&memory(Some(100), Some(50))).is_err());
    assert!(in_v2(&memory(None, Some(50))).is_err());
    let now = Current { memory: Some(20), ..Current::default() };
    assert_eq!(values(&v2(&memory(None, Some(50)), &now).unwrap()), [("memory.swap.max", "30")]);
}

#[test]
fn lifting_the_limit_of_memory_lifts_that_of_swap() {
    let settings = v1(&memory(Some(-1), None)).unwrap();
    assert_eq!(values(&settings), [("memory.limit_in_bytes", "-1"), ("memory.memsw.limit_in_bytes", "-1")]);
    assert_eq!(settings[1].missing, Missing::Accept);
}

#[test]
fn only_the_engine_doubles_memory_for_swap() {
    assert_eq!(v1(&memory(Some(100), None)).unwrap().len(), 1);
    let doubled = |swap, unified| swap_as_docker(&memory(Some(100), swap), unified);
    assert_eq!(values(&[doubled(None, false).unwrap()]), [("memory.memsw.limit_in_bytes", "200")]);
    assert_eq!(values(&[doubled(Some(0), true).unwrap()]), [("memory.swap.max", "100")]);
    assert_eq!(doubled(None, true).unwrap().missing, Missing::Accept);
    assert!(doubled(Some(300), false).is_none() && swap_as_docker(&empty(), false).is_none());
}

#[test]
fn processors_and_processes() {
    let mut resources = cpu(|cpu| cpu.set_quota(Some(150_000)).set_period(Some(100_000)).set_shares(Some(2)));
    let mut pids = LinuxPids::default();
    pids.set_limit(-1);
    resources.set_pids(Some(pids));
    assert_eq!(
        values(&in_v2(&resources).unwrap()),
        [("cpu.weight", "1"), ("cpu.max", "150000 100000"), ("pids.max", "max")]
    );
    assert_eq!(
        values(&v1(&resources).unwrap()),
        [
            ("cpu.shares", "2"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_quota_us", "150000"),
            ("pids.max", "max")
        ]
    );
    pids.set_limit(0);
    resources.set_pids(Some(pids));
    assert!(!values(&v1(&resources).unwrap()).iter().any(|(file, _)| *file == "pids.max"), "zero: not set");
}

#[test]
fn a_quota_or_period_alone_keeps_the_other() {
    let now = Current { cpu: Some(("30000".into(), 50_000)), ..Current::default() };
    let quota = |n| cpu(|cpu| cpu.set_quota(Some(n)));
    let period = cpu(|cpu| cpu.set_period(Some(900_000)));
    assert_eq!(values(&v2(&quota(7000), &now).unwrap()), [("cpu.max", "7000 50000")]);
    assert_eq!(values(&v2(&quota(-1), &now).unwrap()), [("cpu.max", "max 50000")]);
    assert_eq!(values(&v2(&period, &now).unwrap()), [("cpu.max", "30000 900000")]);
    assert_eq!(values(&in_v2(&period).unwrap()), [("cpu.max", "max 900000")]);
}

#[test]
fn shares_that_the_kernel_would_bend_are_refused_in_v1() {
    for (shares, word) in [(1, "minimum"), (262_145, "maximum")] {
        let error = v1(&cpu(|cpu| cpu.set_shares(Some(shares)))).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn block_devices_in_both_versions() {
    let device: LinuxThrottleDevice =
        serde_json::from_str(r#"{"major": 8, "minor": 16, "rate": 1000}"#).unwrap();
    let weight: LinuxWeightDevice =
        serde_json::from_str(r#"{"major": 8, "minor": 0, "weight": 10}"#).unwrap();
    let mut io = LinuxBlockIo::default();
    io.set_weight(Some(1000)).set_weight_device(Some(vec![weight]));
    io.set_throttle_read_bps_device(Some(vec![device])).set_throttle_write_iops_device(Some(vec![device]));
    let mut resources = empty();
    resources.set_block_io(Some(io));
    let (one, two) = (v1(&resources).unwrap(), in_v2(&resources).unwrap());
    assert_eq!(
        values(&one),
        [
            ("blkio.weight", "1000"),
            ("blkio.weight_device", "8:0 10"),
            ("blkio.throttle.read_bps_device", "8:16 1000"),
            ("blkio.throttle.write_iops_device", "8:16 1000")
        ]
    );
    assert_eq!(one[1].missing, Missing::Instead("blkio.bfq.weight_device", "8:0 10".into()));
    assert_eq!(
        values(&two),
        [
            ("io.bfq.weight", "1000"),
            ("io.bfq.weight", "8:0 10"),
            ("io.max", "8:16 rbps=1000"),
            ("io.max", "8:16 wiops=1000")
        ]
    );
    assert_eq!(two[1].missing, Missing::Instead("io.weight", "8:0 1".into()));
}

#[test]
fn the_network_has_classes_in_v1_only() {
    let mut priority = LinuxInterfacePriority::default();
    priority.set_name("lo".into()).set_priority(3);
    let mut network = LinuxNetwork::default();
    network.set_class_id(Some(0x10_0001)).set_priorities(Some(vec![priority]));
    let mut resources = empty();
    resources.set_network(Some(network));
    assert_eq!(
        values(&v1(&resources).unwrap()),
        [("net_cls.classid", "1048577"), ("net_prio.ifpriomap", "lo 3")]
    );
    assert_eq!(in_v2(&resources).unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn huge_pages_by_a_size_that_is_one() {
    let limit = |size: &str, n| {
        let mut limit = LinuxHugepageLimit::default();
        limit.set_page_size(size.into()).set_limit(n);
        [limit]
    };
    let one = hugetlb(&limit("2MB", 4096), false).unwrap();
    assert_eq!(
        values(&one),
        [("hugetlb.2MB.limit_in_bytes", "4096"), ("hugetlb.2MB.rsvd.limit_in_bytes", "4096")]
    );
    assert_eq!((&one[0].missing, &one[1].missing), (&Missing::Refuse, &Missing::Accept));
    assert_eq!(values(&hugetlb(&limit("1GB", -1), true).unwrap())[0], ("hugetlb.1GB.max", "max"));
    for bad in ["", "2", "MB", "../2MB", "2MB/x", "2MBKB", "2 MB"] {
        assert!(hugetlb(&limit(bad, 1), false).is_err(), "{bad:?}");
    }
}

#[test]
fn what_v2_lacks_is_refused_by_name_and_what_v1_lacks_too() {
    let cases = [
        ("swappiness", r#"{"swappiness": 60}"#),
        ("OOM killer", r#"{"disableOOMKiller": true}"#),
        ("hierarchy", r#"{"useHierarchy": false}"#),
    ];
    for (word, json) in cases {
        let memory: LinuxMemory = serde_json::from_str(json).unwrap();
        let mut resources = empty();
        resources.set_memory(Some(memory));
        let error = in_v2(&resources).unwrap_err();
        assert!(error.to_string().contains(word) && error.kind() == Kind::Unsupported, "{error}");
        assert_eq!(v1(&resources).unwrap().len(), 1);
    }
    assert!(in_v2(&cpu(|cpu| cpu.set_realtime_runtime(Some(1)))).is_err());
    let mut resources = empty();
    resources.set_unified(Some([("memory.min".to_owned(), "1".to_owned())].into()));
    assert!(v1(&resources).unwrap_err().to_string().contains("invalid configuration"));
    let mut kernel = LinuxMemory::default();
    kernel.set_swappiness(Some(101));
    resources.set_unified(None).set_memory(Some(kernel));
    assert!(v1(&resources).is_err());
}

#[test]
fn rdma_is_one_line_for_each_device() {
    let limit: LinuxRdma = serde_json::from_str(r#"{"hcaObjects": 7}"#).unwrap();
    let mut resources = empty();
    resources.set_rdma(Some([("mlx5_1".to_owned(), limit), ("mlx5_0".to_owned(), limit)].into()));
    let lines = [("rdma.max", "mlx5_0 hca_object=7"), ("rdma.max", "mlx5_1 hca_object=7")];
    assert_eq!(values(&v1(&resources).unwrap()), lines);
    assert_eq!(values(&in_v2(&resources).unwrap()), lines);
}

#[test]
fn a_value_that_waits_for_another_is_written_last() {
    // A directory stands for a file that does not take a value now.
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("b"), "").unwrap();
    let dir = Dir::of_test(scratch.path());
    let settings =
        [set("cpu", "b", 1), set("cpu", "gone", 2).accept_missing(), set("cpu", "x", 3).or_else("b", 4)];
    apply(&dir, &settings).unwrap();
    assert_eq!(std::fs::read_to_string(scratch.path().join("b")).unwrap(), "4");
    let error = apply(&dir, &[set("cpu", "none", 9)]).unwrap_err();
    assert!(error.to_string().contains("/none\"") && error.to_string().contains("\"9\""), "{error}");
}
