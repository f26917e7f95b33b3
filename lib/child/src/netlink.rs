//! Ready-made rtnetlink messages, sent in our own network namespace.

use crate::{Errno, call};

const HEADER: usize = 16;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;

/// Sends all messages in one go and reads an acknowledgement for each that asks for one.
pub fn send(messages: &[u8]) -> Result<(), Errno> {
    let mut waiting = count(messages, |_, flags| flags & NLM_F_ACK != 0);
    if messages.is_empty() {
        return Ok(());
    }
    let socket = call::socket_route()?;
    call::write(socket, messages)?;
    let mut buffer = [0u8; 8192];
    while waiting > 0 {
        let len = match call::read(socket, &mut buffer) {
            Err(libc::EINTR) => continue,
            other => other?,
        };
        let answer = buffer.get(..len).ok_or(libc::EPROTO)?;
        first_error(answer)?;
        let acks = count(answer, |kind, _| kind == NLMSG_ERROR);
        if acks == 0 {
            return Err(libc::EPROTO);
        }
        waiting = waiting.saturating_sub(acks);
    }
    call::close(socket);
    Ok(())
}

fn count(mut messages: &[u8], matches: impl Fn(u16, u16) -> bool) -> usize {
    let mut found = 0usize;
    while let Some((kind, flags, _, rest)) = split(messages) {
        if matches(kind, flags) {
            found = found.saturating_add(1);
        }
        messages = rest;
    }
    found
}

fn first_error(mut answer: &[u8]) -> Result<(), Errno> {
    while let Some((kind, _, body, rest)) = split(answer) {
        if kind == NLMSG_ERROR {
            let code = body.first_chunk::<4>().map_or(-libc::EPROTO, |b| i32::from_ne_bytes(*b));
            if code != 0 {
                return Err(code.saturating_neg());
            }
        }
        answer = rest;
    }
    Ok(())
}

/// Splits off the first message: type, flags, body, what follows.
fn split(messages: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let (len, tail) = messages.split_first_chunk::<4>()?;
    let (kind, tail) = tail.split_first_chunk::<2>()?;
    let (flags, _) = tail.split_first_chunk::<2>()?;
    let len = usize::try_from(u32::from_ne_bytes(*len)).ok()?;
    let body = messages.get(HEADER..len)?;
    let aligned = len.checked_next_multiple_of(4)?;
    let rest = messages.get(aligned..).unwrap_or_default();
    Some((u16::from_ne_bytes(*kind), u16::from_ne_bytes(*flags), body, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: [u8; 20] = [20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const DENIED: [u8; 20] = [20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

    #[test]
    fn an_error_behind_an_acknowledgement_is_found() {
        let mut two = [0u8; 40];
        two[..20].copy_from_slice(&ACK);
        two[20..].copy_from_slice(&DENIED);
        assert_eq!(first_error(&two), Err(1));
        assert_eq!(count(&two, |kind, _| kind == NLMSG_ERROR), 2);
        assert_eq!(first_error(&ACK), Ok(()));
    }

    #[test]
    fn a_message_longer_than_what_came_ends_the_walk() {
        let mut lying = ACK;
        lying[0] = 200;
        assert_eq!(count(&lying, |_, _| true), 0);
        assert_eq!(count(&ACK[..10], |_, _| true), 0);
    }
}
