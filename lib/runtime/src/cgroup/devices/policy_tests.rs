use super::*;

/// `allow|deny TYPE MAJOR MINOR ACCESS`, numbers below zero for all.
pub fn rules(lines: &[(&str, &str, i64, i64, &str)]) -> Vec<LinuxDeviceCgroup> {
    let rule = |(allow, typ, major, minor, access): &(&str, &str, i64, i64, &str)| {
        let mut rule = LinuxDeviceCgroup::default();
        let typ = match *typ {
            "a" => LinuxDeviceType::A,
            "b" => LinuxDeviceType::B,
            _ => LinuxDeviceType::C,
        };
        rule.set_allow(*allow == "allow").set_typ(Some(typ)).set_access(Some((*access).to_owned()));
        rule.set_major(Some(*major)).set_minor(Some(*minor));
        rule
    };
    lines.iter().map(rule).collect()
}

fn lines(policy: &Policy) -> Vec<String> {
    policy.except.iter().map(|(devices, access)| format!("{devices} {access}")).collect()
}

#[test]
fn a_later_rule_changes_what_earlier_ones_said() {
    let policy = Policy::of(&rules(&[
        ("allow", "c", 10, 229, "rwm"),
        ("deny", "a", -1, -1, "rwm"),
        ("allow", "c", 10, 229, "rw"),
        ("allow", "b", 8, -1, "r"),
        ("allow", "c", 10, 229, "m"),
        ("deny", "c", 10, 229, "w"),
    ]))
    .unwrap();
    assert!(!policy.allow);
    assert_eq!(lines(&policy), ["c 10:229 rm", "b 8:* r"]);
}

#[test]
fn nothing_is_allowed_that_no_rule_names() {
    assert_eq!(Policy::of(&[]).unwrap(), Policy::default());
    assert!(!Policy::default().is_everything());
    let all = Policy::of(&rules(&[("deny", "b", 8, 0, "rw"), ("allow", "a", -1, -1, "rwm")])).unwrap();
    assert!(all.is_everything());
    let but = Policy::of(&rules(&[("allow", "a", -1, -1, "rwm"), ("deny", "c", 1, 1, "rw")])).unwrap();
    assert!(!but.is_everything());
    assert_eq!((but.allow, lines(&but)), (true, vec!["c 1:1 rw".to_owned()]));
}

#[test]
fn a_hole_in_a_wider_rule_is_refused_and_not_forgotten() {
    let hole = rules(&[("allow", "c", 10, -1, "rw"), ("deny", "c", 10, 229, "w")]);
    let error = Policy::of(&hole).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    let other = rules(&[("allow", "c", 10, -1, "r"), ("deny", "c", 10, 229, "w")]);
    assert_eq!(lines(&Policy::of(&other).unwrap()), ["c 10:* r"]);
}

#[test]
fn a_rule_for_all_types_stands_for_everything_or_is_refused() {
    for bad in [("allow", "a", 1, 3, "rwm"), ("allow", "a", -1, -1, "r"), ("deny", "a", -1, 3, "rwm")] {
        assert!(Policy::of(&rules(&[bad])).is_err(), "{bad:?}");
    }
    let mut bare = LinuxDeviceCgroup::default();
    bare.set_allow(true);
    assert!(Policy::of(&[bare]).unwrap().is_everything());
}

#[test]
fn malformed_rules_are_refused() {
    for bad in [("allow", "c", 1, 3, ""), ("allow", "c", 1, 3, "x"), ("allow", "c", 1 << 40, 3, "r")] {
        assert!(Policy::of(&rules(&[bad])).is_err(), "{bad:?}");
    }
    let mut fifo = LinuxDeviceCgroup::default();
    fifo.set_typ(Some(LinuxDeviceType::P)).set_access(Some("r".into()));
    assert!(Policy::of(&[fifo]).is_err());
}

#[test]
fn the_usual_devices_cannot_be_taken_away() {
    let none = Policy::of(&rules(&[("deny", "a", -1, -1, "rwm")])).unwrap();
    assert_eq!(none.with_usual().unwrap(), Policy::usual());
    let tun = Policy::of(&rules(&[("allow", "c", 10, 200, "rwm")])).unwrap().with_usual().unwrap();
    assert!(tun.covers(&Policy::usual()) && !Policy::usual().covers(&tun));
    let all = Policy::of(&rules(&[("allow", "a", -1, -1, "rwm")])).unwrap();
    assert!(all.clone().with_usual().unwrap().is_everything() && all.covers(&tun) && !tun.covers(&all));
    let mem = Policy::of(&rules(&[("allow", "a", -1, -1, "rwm"), ("deny", "c", 1, 3, "rwm")])).unwrap();
    assert!(mem.with_usual().unwrap().is_everything());
}

#[test]
fn a_group_of_v1_is_changed_no_more_than_needed() {
    let now = Policy::parse("c 1:3 rwm\nc 10:229 rw\nb *:* m\n").unwrap();
    let to = Policy::of(&rules(&[
        ("allow", "c", 1, 3, "rwm"),
        ("allow", "c", 10, 229, "r"),
        ("allow", "b", -1, -1, "m"),
        ("allow", "c", 5, 0, "rw"),
    ]))
    .unwrap();
    assert_eq!(to.changes_from(&now), [(false, "c 10:229 w".to_owned()), (true, "c 5:0 rw".to_owned())]);
    assert!(now.changes_from(&now).is_empty());
    let fresh = Policy::parse("a *:* rwm\n").unwrap();
    let changes = to.changes_from(&fresh);
    assert_eq!(changes[0], (false, "a".to_owned()));
    assert_eq!(changes.len(), 5);
    let all = Policy { allow: true, except: Exceptions::default() };
    assert_eq!(all.changes_from(&now), [(true, "a".to_owned())]);
    assert!(Policy::parse("x 1:2 r").is_err() && Policy::parse("c 1").is_err());
}

#[test]
fn a_half_written_v1_policy_is_recognized() {
    let usual = Policy::usual();
    let list = lines(&usual).join("\n");
    assert_eq!(Policy::parse(&list).unwrap(), usual);
    let (_, part) = list.split_once('\n').unwrap();
    assert!(!usual.changes_from(&Policy::parse(part).unwrap()).is_empty());
}

#[test]
fn rules_are_written_in_the_order_of_the_configuration_and_before_the_usual_ones() {
    let own = [("allow", "c", 10, 229, "rwm"), ("allow", "b", 8, 20, "rw"), ("allow", "b", 10, 200, "r")];
    let policy = Policy::of(&rules(&own)).unwrap().with_usual().unwrap();
    let written: Vec<_> = policy.changes_from(&Policy::default()).into_iter().map(|(_, line)| line).collect();
    assert_eq!(written[..3], ["c 10:229 rwm", "b 8:20 rw", "b 10:200 r"]);
    assert!(written.contains(&"c 1:3 rwm".to_owned()));
}
