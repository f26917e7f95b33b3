//! The rules that keep containers away from the host, and the tests that notice when one is broken.
//!
//! A new test of a rule is seen to fail with the rule broken in the code before it comes here. The page is
//! longshore-security(7).

use std::fs;

use super::limits::{lines_with, sources};

/// A rule, and its tests.
const RULES: [(&str, &[&str]); 10] = [
    (
        "a path that an image or a container can influence is resolved once, inside its root, to a descriptor",
        &[
            "cve_2021_30465_mount_target_race",
            "a_link_on_the_way_to_a_mount_stays_inside",
            "cve_2018_15664_a_target_that_is_exchanged_meanwhile_stays_inside",
            "symbolic_links_are_followed_inside_only",
            "cve_2026_47262_user_files_of_the_image_cannot_hang_or_flood_us",
        ],
    ),
    (
        "procfs of a container is written through a handle of our own, and nothing is mounted over it",
        &["cve_2025_52881_nothing_is_mounted_over_proc", "the_child_names_few_files_of_the_host"],
    ),
    (
        "mounts are made by descriptor, and looked at again under their name",
        &["cve_2021_30465_mount_target_race", "nobody_mounts_by_name"],
    ),
    (
        "devices and terminals are verified by type and number, or are ours",
        &[
            "cve_2025_31133_a_null_device_that_is_none_masks_nothing",
            "cve_2025_31133_masks_are_not_made_of_the_images_null_device",
            "cve_2025_52565_the_console_is_our_terminal",
        ],
    ),
    (
        "no descriptor survives an exec by accident, and a working directory has a name inside",
        &[
            "no_descriptor_of_ours_is_inherited",
            "descriptors_of_the_caller_are_not_inherited",
            "cve_2024_21626_working_directory_of_the_host",
            "every_file_is_opened_close_on_exec",
        ],
    ),
    (
        "the last program of ours in a container is a sealed memory file",
        &[
            "cve_2019_5736_the_engines_binary_is_not_reached_through_proc_self_exe",
            "cve_2016_9962_who_may_trace_sees_nothing_of_the_host_in_what_enters",
        ],
    ),
    (
        "what looks into a container runs nothing of it",
        &[
            "cve_2026_41567_filling_a_volume_executes_nothing_at_all",
            "cve_2022_1227_a_list_of_processes_runs_nothing_of_the_container",
        ],
    ),
    (
        "what comes from the wire is bounded, and hashed before it has a name",
        &["bodies_that_are_not_what_was_announced_get_no_name", "wrong_and_long_content_never_gets_a_name"],
    ),
    (
        "a state changes whole or not at all",
        &[
            "create_that_is_killed_at_any_step_leaves_a_whole_container_or_none",
            "ids_of_another_boot_mean_nothing",
            "a_reused_or_ended_process_is_not_entered",
        ],
    ),
    (
        "directories are for root alone, nobody listens, and names are checked before they are joined to a path",
        &[
            "cve_2021_41091_others_read_nothing_below_the_store_whatever_the_umask",
            "nobody_of_us_listens_whatever_runs",
            "cve_2024_9341_values_of_options_are_no_paths_of_the_host",
        ],
    ),
];

/// Advisories that have no test with their number in its name, and the one that covers each.
const ADVISORIES: [(&str, &str); 59] = [
    ("CVE-2026-41579", "a_system_directory_that_is_a_link_is_refused_and_the_host_untouched"),
    ("CVE-2019-19921", "cve_2026_41579_system_directories_that_are_links_are_refused"),
    ("CVE-2023-27561", "cve_2026_41579_system_directories_that_are_links_are_refused"),
    ("CVE-2023-28642", "cve_2026_41579_system_directories_that_are_links_are_refused"),
    ("CVE-2025-54867", "cve_2026_41579_system_directories_that_are_links_are_refused"),
    ("CVE-2019-16884", "nothing_is_mounted_over_proc_not_even_through_a_link"),
    ("CVE-2025-62596", "cve_2025_52881_nothing_is_mounted_over_proc"),
    ("CVE-2025-62161", "cve_2025_31133_the_images_null_device_masks_nothing"),
    ("CVE-2024-45310", "cve_2021_30465_mount_target_race"),
    ("CVE-2026-55686", "cve_2021_30465_mount_target_race"),
    ("CVE-2022-23648", "links_in_the_image_lead_nowhere_but_into_its_root"),
    ("CVE-2016-3697", "cve_2024_40635_a_user_is_understood_or_refused_and_never_root"),
    ("CVE-2026-30892", "cve_2024_40635_a_user_is_understood_or_refused_and_never_root"),
    ("CVE-2026-46680", "cve_2024_40635_a_user_is_understood_or_refused_and_never_root"),
    ("CVE-2018-10856", "another_user_has_no_capabilities_in_force"),
    ("CVE-2022-24769", "cve_2022_29162_no_capability_is_inheritable"),
    ("CVE-2022-2989", "cve_2022_36109_the_primary_group_is_among_the_groups"),
    ("CVE-2021-41089", "cve_2021_41091_others_read_nothing_below_the_store_whatever_the_umask"),
    ("CVE-2024-25621", "cve_2021_41091_others_read_nothing_below_the_store_whatever_the_umask"),
    ("CVE-2023-25809", "cve_2022_0492_control_groups_cannot_be_mounted_or_written"),
    ("GHSA-g54h-m393-cpwq", "devices_of_the_host_cannot_be_opened_even_with_a_node"),
    ("GHSA-6fw5-f8r9-fgfm", "a_container_reaches_what_the_golden_file_says_and_nothing_else"),
    ("GHSA-w2j5-3rcx-vx7x", "kernel_parameters_of_the_host_are_refused"),
    ("CVE-2019-14271", "cve_2026_41567_filling_a_volume_executes_nothing_at_all"),
    ("CVE-2026-41568", "cve_2018_15664_a_target_that_is_exchanged_meanwhile_stays_inside"),
    ("CVE-2026-42306", "cve_2018_15664_a_target_that_is_exchanged_meanwhile_stays_inside"),
    ("CVE-2025-64329", "cve_2022_31030_output_that_nobody_reads_waits_outside_of_our_memory"),
    ("CVE-2026-53489", "cve_2026_53488_labels_and_annotations_are_data"),
    ("CVE-2016-2568", "tiocsti_cannot_type_into_the_callers_terminal"),
    ("CVE-2026-33481", "secrets_are_in_no_argument_environment_or_file_that_others_could_see"),
    ("CVE-2026-47766", "cve_2026_41579_system_directories_that_are_links_are_refused"),
    ("CVE-2022-4122", "cve_2024_9341_values_of_options_are_no_paths_of_the_host"),
    ("CVE-2022-4123", "cve_2024_9341_values_of_options_are_no_paths_of_the_host"),
    ("CVE-2026-44517", "cve_2024_9341_values_of_options_are_no_paths_of_the_host"),
    ("CVE-2015-3627", "descriptors_of_the_caller_are_not_inherited"),
    ("CVE-2015-3629", "links_in_the_image_lead_nowhere_but_into_its_root"),
    ("CVE-2015-3630", "a_container_reaches_what_the_golden_file_says_and_nothing_else"),
    ("CVE-2015-3631", "cve_2025_52881_nothing_is_mounted_over_proc"),
    ("CVE-2014-9357", "an_id_cannot_leave_its_directory"),
    ("CVE-2020-14298", "cve_2019_5736_the_engines_binary_is_not_reached_through_proc_self_exe"),
    ("inherited descriptors", "descriptors_of_the_caller_are_not_inherited"),
    ("the owner of the host's /dev/null", "what_the_caller_has_as_stdio_keeps_its_owner"),
    ("CVE-2022-27649", "cve_2022_29162_no_capability_is_inheritable"),
    ("CVE-2022-27650", "cve_2022_29162_no_capability_is_inheritable"),
    ("CVE-2022-27651", "cve_2022_29162_no_capability_is_inheritable"),
    ("CVE-2022-27652", "cve_2022_29162_no_capability_is_inheritable"),
    ("CVE-2025-27612", "another_user_has_no_capabilities_in_force"),
    ("CVE-2022-4318", "cve_2026_47262_user_files_of_the_image_cannot_hang_or_flood_us"),
    ("CVE-2022-2990", "cve_2022_36109_the_primary_group_is_among_the_groups"),
    ("CVE-2023-25173", "cve_2022_36109_the_primary_group_is_among_the_groups"),
    ("CVE-2022-2995", "cve_2022_36109_the_primary_group_is_among_the_groups"),
    ("CVE-2021-41103", "cve_2021_41091_others_read_nothing_below_the_store_whatever_the_umask"),
    ("CVE-2023-6476", "a_path_does_not_lead_above_its_start"),
    ("CVE-2025-47291", "limits_are_written_and_hold_for_the_container"),
    ("CVE-2022-1708", "cve_2022_31030_output_that_nobody_reads_waits_outside_of_our_memory"),
    ("CVE-2022-23471", "cve_2022_31030_output_that_nobody_reads_waits_outside_of_our_memory"),
    ("CVE-2025-4437", "cve_2022_31030_output_that_nobody_reads_waits_outside_of_our_memory"),
    ("CVE-2024-3154", "what_is_for_systemd_is_refused_by_name"),
    ("escape sequences", "escape_sequences_of_a_container_do_not_reach_a_list"),
];

/// Advisories about what no tool here does, and what that is. Whoever adds such a tool adds the test.
const NOT_OURS: [(&str, &str); 19] = [
    ("CVE-2024-9675", "images are not built"),
    ("CVE-2024-9407", "images are not built"),
    ("CVE-2024-11218", "images are not built"),
    ("CVE-2024-1753", "images are not built"),
    ("CVE-2021-3602", "images are not built"),
    ("CVE-2025-4953", "images are not built"),
    ("CVE-2025-9566", "no descriptions of pods are read"),
    ("CVE-2024-3056", "there are no pods"),
    ("CVE-2023-0778", "volumes are not exported"),
    ("CVE-2014-9356", "images are not built"),
    ("CVE-2014-9358", "images have no ids that are paths: digests only"),
    ("CVE-2014-6408", "no security options are read from images"),
    ("CVE-2014-3499", "no socket is opened"),
    ("CVE-2022-0811", "no kernel parameters are set by annotation"),
    ("CVE-2022-0532", "sysctl is for parameters of the container's own namespaces only"),
    ("CVE-2021-43816", "nothing of the host is labelled anew"),
    ("CVE-2019-10152", "nothing is copied into or out of a running container"),
    ("CVE-2019-18466", "nothing is copied into or out of a running container"),
    ("CVE-2025-64507", "nobody but root has a store of root"),
];

/// All sources, tests included.
fn everything() -> String {
    let mut text = String::new();
    let mut todo = vec![tests::top().join("lib"), tests::top().join("tests")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                text += &fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

#[test]
fn every_rule_and_every_advisory_has_its_tests() {
    let text = everything();
    let named = RULES.iter().flat_map(|(rule, tests)| tests.iter().map(move |test| (*rule, *test)));
    for (what, test) in named.chain(ADVISORIES) {
        assert!(
            text.contains(&format!("#[test]\nfn {test}()"))
                || text.contains(&format!("#[test]\n    fn {test}()")),
            "{what}: there is no test {test}"
        );
    }
}

#[test]
fn no_advisory_is_both_tested_and_said_not_to_concern_us() {
    let text = everything();
    for (name, why) in NOT_OURS {
        let test = name.to_ascii_lowercase().replace('-', "_");
        assert!(!ADVISORIES.iter().any(|(other, _)| *other == name), "{name}: {why}");
        assert!(!text.contains(&format!("fn {test}_")), "{name} has a test, and {why}");
    }
}

/// Rule 2: what runs between clone and exec names files by descriptor, but for these.
#[test]
fn the_child_names_few_files_of_the_host() {
    let files: Vec<_> = sources("lib/child/src");
    let named = lines_with(&files, &["c\"/"]);
    let few = [
        "c\"/dev/null\"",                        // of the host, before the root is changed; verified
        "c\"/proc/self/oom_score_adj\"",         // of the host, before the root is changed
        "c\"/proc/self/timens_offsets\"",        // the same
        "c\"/proc/thread-self/attr/keycreate\"", // the same
        "c\"/proc/self/ns/time_for_children\"",  // the same
        "c\"/proc/fs\"", // covers what the host shows, in a mount namespace of our own
        "c\"/\"",        // the root itself
    ];
    let other: Vec<_> = named.iter().filter(|line| !few.iter().any(|known| line.contains(known))).collect();
    assert!(other.is_empty(), "files named by path in the child: {other:#?}");
}

/// Rule 3: mount(2) resolves names; all it is asked for here is the propagation of what is there.
#[test]
fn nobody_mounts_by_name() {
    let files = sources("lib");
    let calls = lines_with(
        &files,
        &[
            "SYS_mount,",
            "SYS_mount ",
            "libc::mount(",
            "rustix::mount::mount",
            "mount::mount2(",
            "mount_bind",
            "mount_remount",
            "SYS_umount2",
        ],
    );
    let known = [
        "sys!(SYS_mount, c\"\".as_ptr(), c\"/\".as_ptr(), null",
        "sys!(SYS_umount2, c\".\"",
        // Of the host's tree, which a container without a pivot has below its root.
        "sys!(SYS_umount2, path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW)",
    ];
    let other: Vec<_> = calls.iter().filter(|line| !known.iter().any(|call| line.contains(call))).collect();
    assert!(other.is_empty(), "mounts by name: {other:#?}");
}

/// Rule 5: a file that is not would be inherited by whatever is started meanwhile.
#[test]
fn every_file_is_opened_close_on_exec() {
    let files = sources("lib");
    let plain = lines_with(
        &files,
        &[
            "OFlags::RDONLY,",
            "OFlags::WRONLY,",
            "OFlags::RDWR,",
            "OFlags::PATH,",
            "PipeFlags::empty",
            "SocketFlags::empty",
            "MemfdFlags::empty",
        ],
    );
    assert!(plain.is_empty(), "opened without CLOEXEC: {plain:#?}");
}
