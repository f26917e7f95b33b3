//! A set of devices, as the kernel's v1 controller thinks of it.

use std::fmt;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};
use types::{Error, Kind, Result};

use crate::plan::invalid;

/// What is done to a device; bits as in `BPF_DEVCG_ACC_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access(pub u8);

impl Access {
    const LETTERS: [(char, u8); 3] = [('r', 2), ('w', 4), ('m', 1)];
    const ALL: Self = Self(7);

    fn parse(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self(0), |all, letter| {
            let (_, bit) = Self::LETTERS.into_iter().find(|(known, _)| *known == letter)?;
            Some(Self(all.0 | bit))
        })
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::LETTERS.into_iter().filter(|(_, bit)| self.0 & bit != 0).try_for_each(|(c, _)| write!(f, "{c}"))
    }
}

/// Devices by number; `None` is every number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Devices {
    pub major: Option<u32>,
    pub minor: Option<u32>,
    /// Character devices, else block devices.
    pub character: bool,
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        let kind = if self.character { 'c' } else { 'b' };
        write!(f, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

impl Devices {
    /// Every device of `other` is one of these.
    fn cover(self, other: Self) -> bool {
        let number = |ours: Option<u32>, theirs| ours.is_none() || ours == theirs;
        self.character == other.character
            && number(self.major, other.major)
            && number(self.minor, other.minor)
    }
}

/// Everything but some devices, or nothing but some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What holds for a device that is no exception.
    pub allow: bool,
    /// The others.
    pub except: Exceptions,
}

/// Exceptions in the order in which rules named them first, which is the order in which the kernel
/// lists them: whoever compares `devices.list` with a configuration finds them where it has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exceptions(Vec<(Devices, Access)>);

impl Exceptions {
    pub fn iter(&self) -> impl Iterator<Item = (Devices, Access)> {
        self.0.iter().copied()
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is said of exactly these devices.
    fn get(&self, devices: Devices) -> Access {
        self.iter().find(|(other, _)| *other == devices).map_or(Access(0), |(_, access)| access)
    }

    fn add(&mut self, devices: Devices, access: Access) {
        match self.0.iter_mut().find(|(other, _)| *other == devices) {
            Some((_, granted)) => granted.0 |= access.0,
            None => self.0.push((devices, access)),
        }
    }

    fn take(&mut self, devices: Devices, access: Access) {
        self.0.retain_mut(|(other, granted)| {
            if *other == devices {
                *granted = granted.without(access);
            }
            granted.0 != 0
        });
    }

    /// What is here and not there.
    fn without(&self, other: &Self) -> impl Iterator<Item = (Devices, Access)> {
        let left = self.iter().map(|(devices, access)| (devices, access.without(other.get(devices))));
        left.filter(|(_, access)| access.0 != 0)
    }
}

/// Character devices that every container has, by major and minor.
const USUAL: [(u32, Option<u32>); 8] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(2)), // ptmx
    (136, None),  // pts/N
];

impl Policy {
    /// What a container's devices are where nothing else is said: the six that every program may
    /// expect, and terminals. A node may be made of every device; opening it is what is refused.
    pub fn usual() -> Self {
        let mut except = Exceptions::default();
        for character in [true, false] {
            except.add(Devices { major: None, minor: None, character }, Access(1));
        }
        for (major, minor) in USUAL {
            except.add(Devices { major: Some(major), minor, character: true }, Access::ALL);
        }
        Self { allow: false, except }
    }

    /// Reads rules in order.
    pub fn of(rules: &[LinuxDeviceCgroup]) -> Result<Self> {
        let mut policy = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            policy.read(rule).map_err(|e| e.within(format!("read device rule {index} ({rule})")))?;
        }
        Ok(policy)
    }

    /// Adds the usual devices, which a configuration cannot take away (as with runc and crun).
    pub fn with_usual(mut self) -> Result<Self> {
        for (devices, access) in Self::usual().except.iter() {
            self.change(true, devices, access)?;
        }
        Ok(self)
    }

    fn read(&mut self, rule: &LinuxDeviceCgroup) -> Result<()> {
        let access = access(rule)?;
        let (major, minor) = (number(rule.major())?, number(rule.minor())?);
        let character = match rule.typ().unwrap_or_default() {
            LinuxDeviceType::A => return self.reset(rule.allow(), access, major.or(minor)),
            LinuxDeviceType::B => false,
            LinuxDeviceType::C | LinuxDeviceType::U => true,
            LinuxDeviceType::P => return Err(invalid("a FIFO is no device")),
        };
        self.change(rule.allow(), Devices { major, minor, character }, access)
    }

    /// A rule for all devices. The kernel's v1 controller takes it for everything whatever numbers and
    /// access stand beside it, which would allow much more than is written there.
    fn reset(&mut self, allow: bool, access: Access, number: Option<u32>) -> Result<()> {
        if number.is_some() || access != Access::ALL {
            return Err(Error::new(
                Kind::Unsupported,
                "a rule for all types of devices with a number or with part of the access",
            )
            .hint("give one rule for \"b\" and one for \"c\" instead"));
        }
        *self = Self { allow, except: Exceptions::default() };
        Ok(())
    }

    fn change(&mut self, allow: bool, devices: Devices, access: Access) -> Result<()> {
        if allow == self.allow {
            return self.remove(devices, access);
        }
        self.except.add(devices, access);
        Ok(())
    }

    /// An exception is taken back. Part of a wider one cannot be: v1 would ignore the rule silently,
    /// and what a rule means must not depend on the host.
    fn remove(&mut self, devices: Devices, access: Access) -> Result<()> {
        let wider = self
            .except
            .iter()
            .find(|(other, granted)| *other != devices && other.cover(devices) && granted.0 & access.0 != 0);
        if let Some((wider, granted)) = wider {
            return Err(Error::new(
                Kind::Unsupported,
                format!("an exception \"{devices} {access}\" from the wider rule \"{wider} {granted}\""),
            ));
        }
        self.except.take(devices, access);
        Ok(())
    }

    /// Reads `devices.list`. Of a group that allows everything but some the kernel shows the first
    /// half only.
    pub fn parse(list: &str) -> Result<Self> {
        let mut policy = Self::default();
        for line in list.lines() {
            let (devices, access) = parse_line(line)
                .ok_or_else(|| Error::new(Kind::Corrupt, format!("bad line {line:?} in devices.list")))?;
            match devices {
                None => return Ok(Self { allow: true, except: Exceptions::default() }),
                Some(devices) => policy.change(true, devices, access)?,
            }
        }
        Ok(policy)
    }

    /// Allows everything.
    pub fn is_everything(&self) -> bool {
        self.allow && self.except.is_empty()
    }

    /// Allows, by rules that can be compared, all that `other` does.
    pub fn covers(&self, other: &Self) -> bool {
        if self.allow || other.allow {
            return self.is_everything();
        }
        other.except.iter().all(|(devices, access)| {
            let granted = self.except.iter().filter(|(ours, _)| ours.cover(devices));
            access.0 & !granted.fold(0, |all, (_, granted)| all | granted.0) == 0
        })
    }

    /// What to write to `devices.allow` (true) and `devices.deny` (false) to get here from `now`.
    ///
    /// The rule for all devices takes away for a moment what running programs use, so it is written
    /// only where it must be: to change sides, and where exceptions cannot be seen.
    pub fn changes_from(&self, now: &Self) -> Vec<(bool, String)> {
        let mut changes = Vec::new();
        let mut old = now.except.clone();
        if now.allow || now.allow != self.allow {
            changes.push((self.allow, "a".to_owned()));
            old = Exceptions::default();
        }
        let line = |allow| move |(devices, access)| (allow, format!("{devices} {access}"));
        changes.extend(old.without(&self.except).map(line(self.allow)));
        changes.extend(self.except.without(&old).map(line(!self.allow)));
        changes
    }
}

fn access(rule: &LinuxDeviceCgroup) -> Result<Access> {
    let letters = rule.access().as_deref().unwrap_or_default();
    let all = matches!(rule.typ(), None | Some(LinuxDeviceType::A));
    match Access::parse(letters) {
        Some(Access(0)) if all => Ok(Access::ALL),
        Some(Access(0)) => Err(invalid("device access cannot be empty")),
        Some(access) => Ok(access),
        None => Err(invalid(format!("bad device access {letters:?}"))),
    }
}

/// Below zero is every number.
fn number(number: Option<i64>) -> Result<Option<u32>> {
    match number {
        None | Some(i64::MIN..=-1) => Ok(None),
        Some(n) => u32::try_from(n).map(Some).map_err(|_| invalid(format!("bad device number {n}"))),
    }
}

fn parse_line(line: &str) -> Option<(Option<Devices>, Access)> {
    let mut words = line.split([' ', ':']);
    let (kind, major, minor, access) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let number = |word: &str| if word == "*" { Some(None) } else { word.parse().ok().map(Some) };
    let character = match kind {
        "a" => return Some((None, Access::ALL)),
        "b" => false,
        "c" => true,
        _ => return None,
    };
    let devices = Devices { major: number(major)?, minor: number(minor)?, character };
    Some((Some(devices), Access::parse(access)?))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
pub mod tests;
