use std::collections::BTreeMap;

use super::super::ctr_inspect::{Config, NetworkSettings, ports};
use super::*;
use crate::container::Network;
use crate::digest::Digest;
use crate::port::Proto;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn listed() -> Listed {
    let forward = Forward {
        host_ip: None,
        host_port: 8080,
        host_port_max: None,
        container_port: 80,
        proto: Proto::Tcp,
    };
    let brief = Brief {
        name: "web".into(),
        created: "2026-01-01T00:00:00Z".into(),
        image: "httpd:latest".into(),
        image_id: Digest::from_bytes([1; 32]),
        args: vec!["httpd-foreground".into(), "-D".into(), "X".into()],
        labels: BTreeMap::new(),
        network: Network::Bridge,
    };
    let state = State {
        status: Status::Running,
        running: true,
        pid: Some(7),
        exit_code: None,
        oom_killed: false,
        error: None,
        started_at: Some(at("2026-01-01T00:55:00Z")),
        finished_at: None,
    };
    let container = Container {
        id: "ab".repeat(32),
        name: brief.name.clone(),
        created: at(&brief.created),
        image: image(&brief.image).into(),
        image_id: brief.image_id,
        path: "httpd-foreground".into(),
        args: vec!["-D".into(), "X".into()],
        state: state.clone(),
        config: Config { image: "httpd".into(), labels: BTreeMap::new(), details: None },
        mounts: vec![],
        network_settings: NetworkSettings { ip_address: None, ports: ports(&[forward]) },
        details: None,
    };
    let created = container.created;
    let row = Row { id: container.id.clone(), brief, created, state, ports: vec![forward] };
    Listed { container: Some(Box::new(container)), row, now: at("2026-01-01T01:00:00Z"), whole: false }
}

#[test]
fn a_row_is_dockers() {
    let row = listed().cells();
    assert_eq!(
        row,
        [
            "abababababab",
            "httpd",
            "\"httpd-foreground -D…\"",
            "About an hour ago",
            "Up 5 minutes",
            "0.0.0.0:8080->80/tcp",
            "web"
        ]
    );
    assert_eq!(row.len(), Listed::HEADS.len());
    let whole = Listed { whole: true, ..listed() }.cells();
    assert_eq!(whole[0].len(), 64);
    assert_eq!(whole[2], "\"httpd-foreground -D X\"");
}

#[test]
fn a_status_says_how_and_when() {
    let status = |change: fn(&mut State)| {
        let mut listed = listed();
        change(&mut listed.row.state);
        listed.status()
    };
    let ended = |s: &mut State| {
        (s.status, s.exit_code, s.finished_at) = (Status::Exited, Some(3), Some(at("2026-01-01T00:59:57Z")));
    };
    assert_eq!(status(ended), "Exited (3) 3 seconds ago");
    assert_eq!(status(|s| s.status = Status::Created), "Created");
    assert_eq!(status(|s| s.status = Status::Lost), "Exited (unknown)");
    let restarting = |s: &mut State| (s.status, s.exit_code) = (Status::Restarting, Some(1));
    assert_eq!(status(restarting), "Restarting (1)");
}

#[test]
fn a_container_that_does_not_run_shows_no_ports() {
    let mut listed = listed();
    listed.row.state.running = false;
    assert_eq!(listed.cells()[5], "");
}

#[test]
fn what_does_not_apply_is_absent() {
    let json = serde_json::to_value(listed()).unwrap();
    assert_eq!(
        json["State"],
        serde_json::json!({"Status": "running", "Running": true, "Pid": 7, "OOMKilled": false, "StartedAt": "2026-01-01T00:55:00.000000000Z"})
    );
    assert_eq!(
        json["NetworkSettings"],
        serde_json::json!({"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}})
    );
    assert_eq!(json["Config"], serde_json::json!({"Image": "httpd", "Labels": {}}));
    assert!(json.get("HostConfig").is_none());
}
