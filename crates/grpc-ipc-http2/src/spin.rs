//! Whether the task of a connection waits awake for what comes next.
//!
//! A thread that sleeps until its socket can be read is woken late: its core has gone to sleep, too. When the peer is
//! quick, asking again and again for some microseconds finds the answer earlier, and costs less than to sleep and be woken.
//! Everything here is decided from instants that are passed in; the clock is read by whoever waits.

use std::cell::Cell;
use std::pin::pin;
use std::task::Context;
use std::time::{Duration, Instant};

/// The waits of one connection.
pub(crate) struct Spin {
    window: Duration,
    wait: Wait,
    /// After waits that took longer, this many have to pass before the next try: 0, 1, 2, 4 … [`MAX_PAUSE`].
    pause: u16,
    /// How many of them have passed.
    passed: u16,
    /// How many calls this end had begun.
    calls: u32,
}

#[derive(Clone, Copy)]
enum Wait {
    /// Nothing has come since the connection went to sleep.
    Asleep,
    /// Something has come, and the next may, too.
    Due,
    Awake {
        since: Instant,
        until: Instant,
    },
}

/// A connection whose peer is never quick tries one wait in so many: what they cost is not to be noticed.
const MAX_PAUSE: u16 = 512;

impl Spin {
    /// Waits awake for as long as `window`; never if that is zero.
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, wait: Wait::Asleep, pause: 0, passed: 0, calls: 0 }
    }

    /// Something has come.
    pub(crate) fn hear(&mut self) {
        if !self.window.is_zero() {
            with_thread(|thread| self.hear_on(thread, Instant::now));
        }
    }

    /// Whether to wait awake, when there is nothing to do; `calls` changes when this end begins a call.
    pub(crate) fn stays_awake(&mut self, calls: u32) -> bool {
        if self.window.is_zero() || matches!(self.wait, Wait::Asleep) && self.calls == calls {
            return false;
        }
        with_thread(|thread| self.stays_awake_on(thread, calls, Instant::now)).unwrap_or(false)
    }

    fn hear_on(&mut self, thread: &mut Thread, now: impl FnOnce() -> Instant) {
        if let Wait::Awake { since, .. } = self.wait {
            // Others had the core for long: a thread that sleeps gets it back sooner than one that is awake.
            if now() > since + 2 * self.window {
                self.try_less();
            } else {
                self.pause /= 2;
            }
            thread.close(self.window);
        }
        self.wait = Wait::Due;
    }

    fn try_less(&mut self) {
        self.pause = (self.pause * 2).clamp(1, MAX_PAUSE);
        self.passed = 0;
    }

    fn stays_awake_on(&mut self, thread: &mut Thread, calls: u32, now: impl FnOnce() -> Instant) -> bool {
        let began = std::mem::replace(&mut self.calls, calls) != calls;
        match self.wait {
            Wait::Asleep if !began => return false,
            Wait::Asleep | Wait::Due if self.passed < self.pause => {
                self.passed += 1;
                self.wait = Wait::Asleep;
                return false;
            }
            _ => {}
        }
        let now = now();
        if let Wait::Awake { since, until } = self.wait {
            if began {
                // The caller took its time: the peer gets the call only now.
                thread.close(self.window);
            } else if now < until {
                return true;
            } else {
                // A connection that joined late has not waited for a whole window.
                if now >= since + self.window {
                    self.try_less();
                }
                self.wait = Wait::Asleep;
                return false;
            }
        }
        self.passed = 0;
        let until = thread.open(now, self.window);
        self.wait = until.map_or(Wait::Asleep, |until| Wait::Awake { since: now, until });
        until.is_some()
    }
}

/// What the connections of one thread share: while one waits awake, the others do so at no cost, and all of them together
/// waste no more than a part of the thread's time.
#[derive(Clone, Copy)]
struct Thread {
    /// Until when it waits awake.
    until: Option<Instant>,
    /// For how long it has done so lately without anything that came.
    wasted: Duration,
    /// When that was counted.
    counted: Option<Instant>,
}

/// What a thread may waste at once; it gets it back in [`SHARE`] times as long.
const MAX_WASTED: Duration = Duration::from_millis(1);
const SHARE: u32 = 8;

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread::new()) };
}

impl Thread {
    const fn new() -> Self {
        Self { until: None, wasted: Duration::ZERO, counted: None }
    }

    /// Begins to wait awake, or joins those that do, without extending it; `None` when too much was wasted.
    fn open(&mut self, now: Instant, window: Duration) -> Option<Instant> {
        if let Some(until) = self.until.filter(|until| now < *until) {
            return Some(until.min(now + window));
        }
        if let Some(counted) = self.counted.replace(now) {
            self.wasted = self.wasted.saturating_sub(now.saturating_duration_since(counted) / SHARE);
        }
        if self.wasted >= MAX_WASTED {
            self.until = None;
            return None;
        }
        self.wasted += window;
        self.until = Some(now + window);
        self.until
    }

    /// Something has come: it was not wasted.
    fn close(&mut self, window: Duration) {
        if self.until.take().is_some() {
            self.wasted = self.wasted.saturating_sub(window);
        }
    }
}

/// `None` when the thread ends.
fn with_thread<T>(act: impl FnOnce(&mut Thread) -> T) -> Option<T> {
    THREAD
        .try_with(|cell| {
            let mut thread = cell.get();
            let result = act(&mut thread);
            cell.set(thread);
            result
        })
        .ok()
}

/// Lets the other tasks of this thread run. The task of `cx` is woken after the runtime has polled for I/O without waiting.
///
/// Other threads are not let run with `sched_yield`: on a busy machine, the next one keeps the core for a whole time slice.
pub(crate) fn let_tasks_run(cx: &mut Context<'_>) {
    _ = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::connection::{Connection, Role};

    const WINDOW: Duration = Duration::from_micros(20);
    const MICROSECOND: Duration = Duration::from_micros(1);

    /// Connections of one thread, and its time.
    struct Scene {
        thread: Thread,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { thread: Thread::new(), now: Instant::now() }
        }

        fn stays_awake(&mut self, spin: &mut Spin) -> bool {
            self.stays_awake_after(spin, 0)
        }

        fn stays_awake_after(&mut self, spin: &mut Spin, calls: u32) -> bool {
            spin.stays_awake_on(&mut self.thread, calls, || self.now)
        }

        /// Something comes after a wait of `time`; how much of that the connection was awake.
        fn wait(&mut self, spin: &mut Spin, time: Duration) -> Duration {
            let mut awake = Duration::ZERO;
            let end = self.now + time;
            while self.now < end && self.stays_awake(spin) {
                self.now += MICROSECOND;
                awake += MICROSECOND;
            }
            self.now = end;
            self.hear(spin);
            awake
        }

        fn hear(&mut self, spin: &mut Spin) {
            spin.hear_on(&mut self.thread, || self.now);
        }
    }

    #[test]
    fn a_connection_of_which_nothing_has_come_sleeps() {
        let mut spin = Spin::new(WINDOW);
        for _ in 0..3 {
            assert!(!spin.stays_awake_on(&mut Thread::new(), 0, || panic!("the clock is not read")));
        }
    }

    #[test]
    fn after_something_has_come_it_is_awake_for_the_window() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW));
        scene.hear(&mut spin);
        assert!(scene.stays_awake(&mut spin));
        scene.now += WINDOW - MICROSECOND;
        assert!(scene.stays_awake(&mut spin));
        scene.now += MICROSECOND;
        assert!(!scene.stays_awake(&mut spin));
        assert!(!spin.stays_awake_on(&mut scene.thread, 0, || panic!("the clock is not read")));
    }

    #[test]
    fn a_call_is_waited_for_from_its_beginning() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW));
        assert!(scene.stays_awake_after(&mut spin, 1));
        scene.now += WINDOW;
        assert!(scene.stays_awake_after(&mut spin, 3));
        scene.now += WINDOW;
        assert!(!scene.stays_awake_after(&mut spin, 3));
    }

    #[test]
    fn a_quick_peer_is_always_waited_for() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW));
        scene.hear(&mut spin);
        for _ in 0..10_000 {
            assert_eq!(scene.wait(&mut spin, 9 * MICROSECOND), 9 * MICROSECOND);
        }
    }

    #[test]
    fn a_slow_peer_costs_a_window_in_512_waits() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW));
        scene.hear(&mut spin);
        for _ in 0..2000 {
            scene.wait(&mut spin, Duration::from_millis(10));
        }
        let awake: Duration = (0..5130).map(|_| scene.wait(&mut spin, Duration::from_millis(10))).sum();
        assert_eq!(awake, 10 * WINDOW);
        // It is found out when it becomes quick.
        for _ in 0..2000 {
            scene.wait(&mut spin, MICROSECOND);
        }
        assert_eq!(scene.wait(&mut spin, MICROSECOND), MICROSECOND);
    }

    #[test]
    fn a_core_that_others_want_is_left_to_them() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW));
        let mut tries = 0;
        for _ in 0..1000 {
            scene.hear(&mut spin);
            if scene.stays_awake(&mut spin) {
                tries += 1;
                // The next thread gives the core back after its time slice, and something has come meanwhile.
                scene.now += Duration::from_millis(3);
            }
        }
        assert!(tries <= 10 + 1000 / 512, "{tries}");
    }

    #[test]
    fn connections_of_a_thread_share_a_window() {
        let (mut scene, mut first, mut second) = (Scene::new(), Spin::new(WINDOW), Spin::new(WINDOW));
        scene.hear(&mut first);
        scene.hear(&mut second);
        assert!(scene.stays_awake(&mut first));
        scene.now += WINDOW / 2;
        assert!(scene.stays_awake(&mut second));
        scene.now += WINDOW / 2;
        assert!(!scene.stays_awake(&mut first) && !scene.stays_awake(&mut second));
        assert_eq!((first.pause, second.pause), (1, 0));
        assert_eq!(scene.thread.wasted, WINDOW);
    }

    #[test]
    fn many_connections_waste_a_part_of_the_time_together() {
        let mut scene = Scene::new();
        let begin = scene.now;
        let mut awake = Duration::ZERO;
        for _ in 0..10_000 {
            let mut spin = Spin::new(WINDOW);
            scene.hear(&mut spin);
            awake += scene.wait(&mut spin, WINDOW + MICROSECOND);
        }
        assert!(awake <= (scene.now - begin) / SHARE + MAX_WASTED + WINDOW, "{awake:?}");
        assert!(awake >= (scene.now - begin) / SHARE);
    }

    #[test]
    fn a_new_connection_has_begun_no_call() {
        let connection = Connection::new(Role::Client, Options::new());
        let mut spin = Spin::new(WINDOW);
        assert!(!spin.stays_awake(connection.calls_begun()));
    }

    #[test]
    fn it_can_be_switched_off() {
        let mut spin = Spin::new(Duration::ZERO);
        spin.hear();
        assert!(!spin.stays_awake(1));
    }
}
