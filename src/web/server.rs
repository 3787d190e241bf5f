//! Serves connections, so many and no more.
//!
//! Whoever may reach the port may open connections without asking anything, send a request byte by byte, or never read an answer. None of
//! that keeps others out: when all seats are taken, whoever has been silent longest loses its seat to the newcomer. A client
//! that waits for an answer of ours is not silent; only where all do, the one that waits longest goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit};
use tokio_util::sync::CancellationToken;

use super::access::Listener;

/// Connections at a time.
const MOST: usize = 512;
/// With fewer the exporter would not be of use.
const FEWEST: usize = 8;
/// Descriptors that logs, passes and forecasts need beside the connections, generously.
const OTHER_DESCRIPTORS: u64 = 40;
/// How long a client may take over the head of a request; Prometheus may also be silent as long between two.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long the head of a request may be, and how much of an answer is held ready for a client that reads slowly (bytes).
const BUFFER: usize = 32 << 10;

/// A third of the descriptors that the process' limit leaves for connections: two are for those that are served, one
/// for those that agree on TLS.
pub(super) fn third_of_descriptors() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    usize::try_from(limit.saturating_sub(OTHER_DESCRIPTORS)).unwrap_or(usize::MAX) / 3
}

/// Who is connected.
#[derive(Debug)]
pub struct Seats {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    guests: HashMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    /// When its connection was taken, the last answer was ready, or the one that it waits for was asked for.
    since: Instant,
    /// Whether an answer is being made.
    is_waiting: bool,
    leave: CancellationToken,
}

/// The place of one connection, free again when this is dropped.
#[derive(Debug)]
struct Seat {
    number: u64,
    leave: CancellationToken,
    seats: Arc<Seats>,
}

impl Seats {
    /// As many as the process' limit of descriptors leaves.
    #[must_use]
    pub fn for_this_process() -> Arc<Self> {
        Self::new((third_of_descriptors() * 2).clamp(FEWEST, MOST))
    }

    /// This many.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A seat for a newcomer.
    fn take(self: &Arc<Self>) -> Seat {
        let taken = &mut *self.taken();
        if taken.guests.len() >= self.most {
            let longest = taken.guests.iter().min_by_key(|(_, guest)| (guest.is_waiting, guest.since));
            if let Some(guest) =
                longest.map(|(number, _)| *number).and_then(|number| taken.guests.remove(&number))
            {
                guest.leave.cancel();
            }
        }
        let (number, leave) = (taken.next, CancellationToken::new());
        taken.next += 1;
        let guest = Guest { since: Instant::now(), is_waiting: false, leave: leave.clone() };
        taken.guests.insert(number, guest);
        Seat { number, leave, seats: Arc::clone(self) }
    }
}

impl Seat {
    fn set_waiting(&self, is_waiting: bool) {
        if let Some(guest) = self.seats.taken().guests.get_mut(&self.number) {
            (guest.is_waiting, guest.since) = (is_waiting, Instant::now());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.taken().guests.remove(&self.number);
    }
}

/// Serves whoever comes until it is told to stop, and ends when the last one has gone.
pub async fn serve(mut listener: Listener, router: Router, seats: Arc<Seats>, stop: CancellationToken) {
    let mut open = tokio::task::JoinSet::new();
    loop {
        let (stream, address) = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            () = stop.cancelled() => break,
        };
        let seat = seats.take();
        let (router, stop) = (TowerToHyperService::new(router.clone()), stop.clone());
        open.spawn(async move {
            let leave = seat.leave.clone();
            let answer = service_fn(|request| {
                seat.set_waiting(true);
                let (answer, seat) = (router.call(request), &seat);
                async move {
                    let answer = answer.await;
                    seat.set_waiting(false);
                    answer
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), answer);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = leave.cancelled() => return,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%address, %error, "a connection ended early");
            }
        });
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_takes_the_seat_of_whoever_was_silent_longest_and_of_who_waits_only_if_all_do() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take(), seats.take());
        second.set_waiting(true);
        let third = seats.take();
        assert!(first.leave.is_cancelled() && !second.leave.is_cancelled(), "the second waits");
        drop(first);
        third.set_waiting(true);
        let fourth = seats.take();
        assert!(second.leave.is_cancelled() && !third.leave.is_cancelled(), "all wait, the second longest");
        drop(second);
        third.set_waiting(false);
        let fifth = seats.take();
        assert!(fourth.leave.is_cancelled() && !third.leave.is_cancelled(), "the fourth said nothing yet");
        drop(fifth);
        assert_eq!(seats.taken().guests.len(), 1);
    }
}
