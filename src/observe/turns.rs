//! Forecasts one after the other: each holds what it knows of tens of thousands of queues, and two would take twice the memory.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Whose turn it is. Whoever came first is next.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Semaphore>);

/// Held while a forecast is made.
#[derive(Debug)]
#[must_use]
pub struct Turn(Option<OwnedSemaphorePermit>);

/// A place in the queue, for who cannot sleep in it.
pub struct Place(Pin<Box<dyn Future<Output = Turn> + Send>>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Turns {
    /// Waits until all who came before are done.
    pub async fn next(&self) -> Turn {
        // Nobody closes it.
        Turn(Arc::clone(&self.0).acquire_owned().await.ok())
    }

    /// Takes a place in the queue from its first look on.
    #[must_use]
    pub fn place(&self) -> Place {
        let turns = self.clone();
        Place(Box::pin(async move { turns.next().await }))
    }
}

impl Turn {
    /// Others may go on.
    pub fn end(self) {
        drop(self.0);
    }
}

impl Place {
    /// The turn, once it has come; then the place is to be dropped.
    pub fn look(&mut self) -> Option<Turn> {
        // Who looks again and again needs nobody to wake it.
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_served_at_a_time_and_who_came_first_is_next() {
        let turns = Turns::default();
        let (mut first, mut second, mut third) = (turns.place(), turns.place(), turns.place());
        let turn = first.look().unwrap();
        assert!(second.look().is_none() && third.look().is_none());
        turn.end();
        assert!(third.look().is_none(), "the second came before");
        let turn = second.look().unwrap();
        assert!(third.look().is_none());
        turn.end();
        third.look().unwrap().end();
    }

    #[test]
    fn who_goes_away_holds_up_nobody() {
        let turns = Turns::default();
        let (mut first, mut second, mut third) = (turns.place(), turns.place(), turns.place());
        let turn = first.look().unwrap();
        assert!(second.look().is_none() && third.look().is_none());
        drop(second);
        turn.end();
        third.look().unwrap().end();
    }
}
