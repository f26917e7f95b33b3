//! How the process is scheduled, and where its memory comes from.

use oci_spec::runtime::{
    IOPriorityClass, Linux, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain, LinuxSchedulerFlag,
    LinuxSchedulerPolicy, MemoryPolicyFlagType, MemoryPolicyModeType, Process, Scheduler,
};
use types::Result;

use super::{Draft, Step, invalid, unsupported};

/// More nodes than any kernel is built for (`CONFIG_NODES_SHIFT` is at most 10).
const NODES: u32 = 1024;

/// Appends personality and memory policy of the container. Both are inherited over exec.
pub fn of_container(linux: &Linux, draft: &mut Draft) -> Result<()> {
    if let Some(asked) = linux.personality() {
        draft.push(Step::Personality(personality(asked)?));
    }
    if let Some(asked) = linux.memory_policy() {
        draft.push(memory_policy(asked)?);
    }
    Ok(())
}

/// Appends scheduler and I/O priority, while the privileges for them are there.
pub fn of_process(process: &Process, draft: &mut Draft) -> Result<()> {
    if let Some(asked) = process.scheduler() {
        draft.push(Step::Scheduler(scheduler(asked)?));
    }
    if let Some(asked) = process.io_priority() {
        let class = match asked.class() {
            IOPriorityClass::IoprioClassRt => 1,
            IOPriorityClass::IoprioClassBe => 2,
            IOPriorityClass::IoprioClassIdle => 3,
        };
        let level = u32::try_from(asked.priority()).ok().filter(|level| *level < 8);
        let level =
            level.ok_or_else(|| invalid(format!("I/O priority {} is not 0 to 7", asked.priority())))?;
        draft.push(Step::IoPriority(class << 13 | level));
    }
    Ok(())
}

/// The processors that a process brought in may use: before it joins the groups of the container, and then.
pub fn affinity(process: &Process) -> Result<[Option<Step>; 2]> {
    let Some(asked) = process.exec_cpu_affinity() else { return Ok([None, None]) };
    let step = |list: &Option<String>| -> Result<Option<Step>> {
        match list.as_deref() {
            None | Some("") => Ok(None),
            Some(list) => {
                let mask = bits(list).ok_or_else(|| invalid(format!("bad list of processors {list:?}")))?;
                Ok(Some(Step::Affinity(mask)))
            }
        }
    };
    Ok([step(asked.initial())?, step(asked.cpu_affinity_final())?])
}

fn personality(asked: &LinuxPersonality) -> Result<u64> {
    if let Some(flag) = asked.flags().iter().flatten().next() {
        return Err(unsupported(format!("personality flag {flag:?}")));
    }
    Ok(match asked.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    })
}

/// `struct sched_attr` of `sched_setattr(2)`.
fn scheduler(asked: &Scheduler) -> Result<Vec<u8>> {
    let policy = match asked.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => return Err(unsupported("scheduling policy SCHED_ISO")),
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6u32,
    };
    let flags = asked.flags().iter().flatten().fold(0u64, |flags, flag| flags | scheduler_flag(*flag));
    let mut attr = Vec::with_capacity(56);
    attr.extend(56u32.to_ne_bytes());
    attr.extend(policy.to_ne_bytes());
    attr.extend(flags.to_ne_bytes());
    attr.extend(asked.nice().unwrap_or(0).to_ne_bytes());
    attr.extend(asked.priority().unwrap_or(0).to_ne_bytes());
    for time in [asked.runtime(), asked.deadline(), asked.period()] {
        attr.extend(time.unwrap_or(0).to_ne_bytes());
    }
    // Bounds of utilization, for which the configuration has no fields.
    attr.extend([0; 8]);
    Ok(attr)
}

const fn scheduler_flag(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x1,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x2,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x4,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x8,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

fn memory_policy(asked: &LinuxMemoryPolicy) -> Result<Step> {
    let mode = match asked.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6u32,
    };
    let flags = asked.flags().iter().flatten().fold(0, |flags, flag| {
        flags
            | match flag {
                MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
                MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
                MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
            }
    });
    let nodes = match asked.nodes().as_deref() {
        None | Some("") => Vec::new(),
        Some(list) => bits(list).ok_or_else(|| invalid(format!("bad list of memory nodes {list:?}")))?,
    };
    Ok(Step::MemoryPolicy { mode: mode | flags, nodes })
}

/// Reads a list such as `0-3,7` into a mask.
fn bits(list: &str) -> Option<Vec<u64>> {
    let mut words = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last >= NODES {
            return None;
        }
        for bit in first..=last {
            let at = usize::try_from(bit / 64).ok()?;
            if words.len() <= at {
                words.resize(at + 1, 0);
            }
            *words.get_mut(at)? |= 1u64 << (bit % 64);
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_nodes_are_read_whole_or_not_at_all() {
        assert_eq!(bits("0-3,7"), Some(vec![0x8f]));
        assert_eq!(bits("64"), Some(vec![0, 1]));
        for bad in ["", "a", "3-1", "-1", "1-", "1,,2", "1024", "4294967296"] {
            assert_eq!(bits(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_scheduler_is_packed_as_the_kernel_reads_it() {
        let mut asked = Scheduler::default();
        asked.set_policy(LinuxSchedulerPolicy::SchedFifo).set_priority(Some(7));
        let attr = scheduler(&asked).unwrap();
        assert_eq!((attr.len(), attr[0], attr[4], attr[20]), (56, 56, 1, 7));
        asked.set_policy(LinuxSchedulerPolicy::SchedIso);
        assert!(scheduler(&asked).is_err());
    }
}
