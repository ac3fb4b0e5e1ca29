//! Decides whether the task of a connection polls for the next data instead of sleeping.
//!
//! A thread that sleeps until its socket is readable wakes late, because its core has gone to sleep, too. If the peer
//! is fast, polling for some microseconds finds the answer earlier, and costs less than sleeping and waking. The length
//! of the last wait tells whether the peer may be fast. All decisions here depend on instants that are passed in; the
//! caller reads the clock.

use std::cell::Cell;
use std::hint;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::task::coop;

use crate::sync::is_one_thread;

/// The waits of one connection.
pub(crate) struct Spin {
    /// The connection's id on its thread.
    id: u64,
    window: Duration,
    /// Whether it may poll without the runtime.
    in_place: bool,
    wait: Wait,
    /// How long the last wait of each kind took.
    last: [Duration; 2],
    /// How many waits to skip before the next attempt, after attempts in vain: 0, 1, 2, 4, 8 … [`MAX_PAUSE`].
    pause: u16,
    /// How many of them were skipped.
    passed: u16,
    /// The number of waits in a row that ended after the window.
    long: u16,
    /// The number of polls in place since other tasks last ran.
    polls: u16,
    /// How often data has still to come before it polls.
    young: u16,
    /// The number of calls that this end had begun.
    calls: u32,
}

#[derive(Clone, Copy)]
enum Wait {
    /// Nothing has come since the connection went to sleep.
    Asleep {
        /// When the wait began; `None` before the first.
        since: Option<Instant>,
        kind: Kind,
    },
    /// Data has come, and more may follow.
    Due,
    Awake {
        since: Instant,
        until: Instant,
        kind: Kind,
        polls: Polls,
    },
}

/// The polls of a wait.
#[derive(Clone, Copy)]
struct Polls {
    /// How many of them found nothing.
    in_vain: u32,
    /// When the last one had found nothing.
    last: Instant,
    /// How long after that the next one began.
    away: Duration,
}

/// What a wait is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Any data, or the next call of the caller.
    Data,
    /// The answer to a call that began when the wait did, or during it.
    Answer,
}

/// How to poll for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awake {
    /// While other tasks run.
    Yielding,
    /// Without returning to the runtime.
    InPlace,
}

/// The maximum pause between attempts, for a peer that never answers while this end polls, such as one on the same core.
/// It makes the cost of the attempts negligible.
const MAX_PAUSE: u16 = 1024;
/// A peer that sleeps itself is slow, and becomes fast only if this end stays awake. So after a wait that took longer
/// than the window, the next waits may take up to this many windows, but at most twice as long as the last one: it took
/// that long although both ends slept.
const PROBE: u32 = 4;
/// Longer windows are no different.
const MAX_WINDOW: Duration = Duration::from_secs(3600);
/// After this many waits in a row that took longer than one window, the peer counts as slow.
const MAX_LONG: u16 = 64;
/// After this many polls in place, which take about 200 microseconds, other tasks run.
const MAX_POLLS: u16 = 256;
/// A connection is alone on its thread if this much data has come on it in a row, and none on others.
const ALONE: u16 = 16;
/// On a multi-threaded runtime, a connection does not poll before data has come this often. By then, a connection for a
/// single call is over.
const YOUNG: u16 = 16;

impl Spin {
    /// Polls for at most `window`, or never if that is zero. On a multi-threaded runtime, it polls in place if the byte
    /// stream `reads_at_once`, because whenever a task yields there, another thread is woken to look for work.
    pub(crate) fn new(window: Duration, reads_at_once: bool) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(1);
        let one_thread = is_one_thread();
        Self {
            id: IDS.fetch_add(1, Relaxed),
            window: window.min(MAX_WINDOW),
            in_place: reads_at_once && !one_thread,
            wait: Wait::Asleep { since: None, kind: Kind::Data },
            last: [Duration::ZERO; 2],
            pause: 0,
            passed: 0,
            long: 0,
            polls: 0,
            young: if one_thread { 0 } else { YOUNG },
            calls: 0,
        }
    }

    /// Data has come.
    pub(crate) fn hear(&mut self) {
        if self.young > 0 {
            self.young -= 1;
        } else if !self.window.is_zero() {
            with_thread(|thread| self.hear_on(thread, Instant::now));
        }
    }

    /// The connection is about to read.
    pub(crate) fn look(&mut self) {
        self.look_at(Instant::now);
    }

    fn look_at(&mut self, now: impl FnOnce() -> Instant) {
        if let Wait::Awake { polls, .. } = &mut self.wait
            && self.pause > 0
        {
            polls.away = now() - polls.last;
        }
    }

    /// Whether to poll while there is nothing to do, and how. `calls` changes when this end begins a call. Tasks that
    /// wait for this thread run first.
    pub(crate) fn stays_awake(&mut self, calls: u32, tasks_wait: bool) -> Option<Awake> {
        let is_asleep = matches!(self.wait, Wait::Asleep { .. }) && self.calls == calls;
        if self.young > 0 || is_asleep || self.window.is_zero() {
            return None;
        }
        with_thread(|thread| {
            let is_awake = self.stays_awake_on(thread, calls, Instant::now);
            is_awake.then(|| self.how(thread, tasks_wait))
        })
        .flatten()
    }

    fn how(&mut self, thread: &Thread, tasks_wait: bool) -> Awake {
        // A task that has used up its budget reads nothing.
        let may = !tasks_wait && self.polls < MAX_POLLS && coop::has_budget_remaining();
        if self.in_place && may && thread.is_alone(self.id) {
            self.polls += 1;
            return Awake::InPlace;
        }
        self.polls = 0;
        Awake::Yielding
    }

    fn hear_on(&mut self, thread: &mut Thread, now: impl FnOnce() -> Instant) {
        thread.hear(self.id);
        match self.wait {
            Wait::Awake { since, kind, polls, .. } => {
                thread.close();
                let took = now() - since;
                if took <= self.window {
                    self.long = 0;
                    if polls.have_seen_it_come(since) {
                        self.pause /= 2;
                    }
                } else if took <= self.too_long() && self.long < MAX_LONG {
                    self.long += 1;
                } else {
                    // Others had the core for long. A sleeping thread gets it back sooner than a polling one.
                    self.try_less();
                }
                self.last[kind as usize] = took;
            }
            Wait::Asleep { since: Some(since), kind } => self.last[kind as usize] = now() - since,
            Wait::Asleep { since: None, .. } | Wait::Due => {}
        }
        self.wait = Wait::Due;
    }

    fn try_less(&mut self) {
        self.long = 0;
        self.pause = (self.pause * 2).clamp(1, MAX_PAUSE);
        self.passed = 0;
    }

    /// A peer that took longer than this does not become fast by polling.
    fn too_long(&self) -> Duration {
        2 * PROBE * self.window
    }

    /// How long to poll at most.
    fn limit(&self, kind: Kind) -> Duration {
        if self.pause == 0 && self.long == 0 {
            return self.window;
        }
        (2 * self.last[kind as usize]).clamp(self.window, PROBE * self.window)
    }

    fn stays_awake_on(&mut self, thread: &mut Thread, calls: u32, now: impl FnOnce() -> Instant) -> bool {
        let began = std::mem::replace(&mut self.calls, calls) != calls;
        if matches!(self.wait, Wait::Asleep { .. }) && !began {
            return false;
        }
        let now = now();
        match self.wait {
            Wait::Asleep { since: Some(since), kind: Kind::Data } => {
                self.last[Kind::Data as usize] = now - since;
            }
            // The caller was slow: the peer gets the call only now. Further calls change nothing. Otherwise many calls
            // could keep this thread awake, and a peer on the same core from answering.
            Wait::Awake { kind: Kind::Data, .. } if began => thread.close(),
            Wait::Awake { until, ref mut polls, .. } if now < until => {
                polls.in_vain += 1;
                polls.last = now;
                return true;
            }
            Wait::Awake { since, kind, .. } => {
                // A connection that joined late has not waited for its full time.
                if now >= since + self.limit(kind) {
                    self.try_less();
                }
                self.wait = Wait::Asleep { since: Some(since), kind };
                return false;
            }
            Wait::Asleep { .. } | Wait::Due => {}
        }
        let kind = if began { Kind::Answer } else { Kind::Data };
        self.wait = match self.begin(thread, kind, now) {
            Some(until) => Wait::Awake { since: now, until, kind, polls: Polls::new(now) },
            None => Wait::Asleep { since: Some(now), kind },
        };
        matches!(self.wait, Wait::Awake { .. })
    }

    /// Begins a wait. Returns until when to poll.
    fn begin(&mut self, thread: &mut Thread, kind: Kind, now: Instant) -> Option<Instant> {
        if self.last[kind as usize] > self.too_long() {
            return None;
        }
        if self.passed < self.pause {
            self.passed += 1;
            return None;
        }
        thread.open(now, self.limit(kind))
    }
}

impl Polls {
    fn new(now: Instant) -> Self {
        Self { in_vain: 0, last: now, away: Duration::ZERO }
    }

    /// Whether data came while this end polled. If it was there almost at once, or if this end was kept from polling for
    /// much longer than before, the system may have given this core to the peer.
    fn have_seen_it_come(&self, since: Instant) -> bool {
        self.in_vain >= 2 && self.away <= 3 * (self.last - since) / self.in_vain
    }
}

/// The state shared by the connections of one thread. While one polls, the others do so at no cost. Together, they
/// waste only a limited part of the thread's time.
#[derive(Clone, Copy)]
struct Thread {
    /// The end of the current polling.
    until: Option<Instant>,
    /// Its length.
    limit: Duration,
    /// How long the thread has polled recently without receiving data.
    wasted: Duration,
    /// When that was counted.
    counted: Option<Instant>,
    /// The connection on which data came last, and how often in a row.
    heard: (u64, u16),
}

/// The maximum time that a thread may waste at once. It recovers over [`SHARE`] times as long.
const MAX_WASTED: Duration = Duration::from_millis(1);
const SHARE: u32 = 8;

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread::new()) };
}

impl Thread {
    const fn new() -> Self {
        Self { until: None, limit: Duration::ZERO, wasted: Duration::ZERO, counted: None, heard: (0, 0) }
    }

    /// Begins to poll, or joins the current polling without extending it. Returns `None` if too much time was wasted.
    fn open(&mut self, now: Instant, limit: Duration) -> Option<Instant> {
        if let Some(until) = self.until.filter(|until| now < *until) {
            return Some(until.min(now + limit));
        }
        if let Some(counted) = self.counted.replace(now) {
            self.wasted = self.wasted.saturating_sub(now.saturating_duration_since(counted) / SHARE);
        }
        if self.wasted >= MAX_WASTED {
            self.until = None;
            return None;
        }
        self.wasted += limit;
        self.limit = limit;
        self.until = Some(now + limit);
        self.until
    }

    /// Data has come, so the polling was not wasted.
    fn close(&mut self) {
        if self.until.take().is_some() {
            self.wasted = self.wasted.saturating_sub(self.limit);
        }
    }

    fn hear(&mut self, connection: u64) {
        let (last, count) = self.heard;
        self.heard = (connection, if last == connection { count.saturating_add(1) } else { 0 });
    }

    fn is_alone(&self, connection: u64) -> bool {
        self.heard.0 == connection && self.heard.1 >= ALONE
    }
}

/// Returns `None` while the thread is ending.
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

impl Awake {
    /// Waits for a moment. If it returns at once, poll the connection again. Otherwise the task of `cx` is woken after
    /// the other tasks of this thread, and after the runtime has polled for I/O without waiting.
    ///
    /// `sched_yield` is not used: on a busy machine, the next thread would keep the core for a whole time slice.
    pub(crate) fn poll(self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Yielding => pin!(tokio::task::yield_now()).poll(cx),
            Self::InPlace => {
                // Meanwhile the lock is free for callers on other threads.
                (0..FREE).for_each(|_| hint::spin_loop());
                Poll::Ready(())
            }
        }
    }
}

/// The number of spin-loop hints between two polls in place, which take about half a microsecond.
const FREE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::connection::{Connection, Role};

    const WINDOW: Duration = Duration::from_micros(20);
    const MICROSECOND: Duration = Duration::from_micros(1);

    /// The connections of one thread, and its clock.
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

        /// Data comes after a wait of `time`. Returns how long the connection polled.
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
            spin.look_at(|| self.now);
            spin.hear_on(&mut self.thread, || self.now);
        }
    }

    #[test]
    fn a_connection_of_which_nothing_has_come_sleeps() {
        let mut spin = Spin::new(WINDOW, false);
        for _ in 0..3 {
            assert!(!spin.stays_awake_on(&mut Thread::new(), 0, || panic!("the clock is not read")));
        }
    }

    #[test]
    fn after_something_has_come_it_is_awake_for_the_window() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
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
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        assert!(scene.stays_awake(&mut spin));
        scene.now += WINDOW / 2;
        assert!(scene.stays_awake_after(&mut spin, 1));
        scene.now += WINDOW - MICROSECOND;
        assert!(scene.stays_awake_after(&mut spin, 1));
        scene.now += MICROSECOND;
        assert!(!scene.stays_awake_after(&mut spin, 1));
    }

    #[test]
    fn further_calls_do_not_extend_a_wait() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        let mut awake = 0;
        while scene.stays_awake_after(&mut spin, awake + 1) {
            scene.now += MICROSECOND;
            awake += 1;
        }
        assert_eq!(awake, 20);
    }

    #[test]
    fn a_quick_peer_is_always_waited_for() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        for _ in 0..10_000 {
            assert_eq!(scene.wait(&mut spin, 9 * MICROSECOND), 9 * MICROSECOND);
        }
    }

    #[test]
    fn a_slow_peer_is_polled_for_once() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        let awake: Duration = (0..5000).map(|_| scene.wait(&mut spin, Duration::from_millis(10))).sum();
        assert_eq!(awake, WINDOW);
        // It becomes fast: the first wait shows that, and the second is the pause.
        let time = 5 * MICROSECOND;
        (0..2).for_each(|_| assert_eq!(scene.wait(&mut spin, time), Duration::ZERO));
        for _ in 0..100 {
            assert_eq!(scene.wait(&mut spin, time), time);
        }
    }

    #[test]
    fn a_peer_on_the_same_core_costs_two_waits_in_1024() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        // It runs only while this end sleeps.
        let time = 15 * MICROSECOND;
        let mut wait = || {
            let begin = scene.now;
            while scene.stays_awake(&mut spin) {
                scene.now += MICROSECOND;
            }
            let awake = scene.now - begin;
            scene.now += time;
            scene.hear(&mut spin);
            awake
        };
        (0..2100).for_each(|_| _ = wait());
        let awake: Duration = (0..10 * 1025).map(|_| wait()).sum();
        assert_eq!(awake, 10 * 2 * time);
    }

    #[test]
    fn a_peer_that_gets_this_core_now_and_then_costs_no_more() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        // It has this core while this end sleeps, and also in two of three waits in which this end polls.
        let mut polls = [0, 7, u32::MAX].into_iter().cycle();
        let mut wait = || {
            let is_awake = scene.stays_awake(&mut spin);
            for _ in 0..polls.next().unwrap() {
                if !scene.stays_awake(&mut spin) {
                    break;
                }
                scene.now += MICROSECOND;
            }
            scene.now += 10 * MICROSECOND;
            scene.hear(&mut spin);
            is_awake
        };
        (0..2100).for_each(|_| _ = wait());
        let awake = (0..10 * 1025).filter(|_| wait()).count();
        assert!(awake <= 30, "{awake}");
    }

    #[test]
    fn a_slow_caller_is_not_polled_for_but_the_answers_are() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        let mut awake = [Duration::ZERO; 2];
        for call in 1..=1000 {
            // The caller waits for 10 ms, and the peer answers after a microsecond.
            let end = scene.now + Duration::from_millis(10);
            while scene.stays_awake_after(&mut spin, call - 1) {
                scene.now += MICROSECOND;
                awake[0] += MICROSECOND;
            }
            scene.now = end;
            if scene.stays_awake_after(&mut spin, call) {
                awake[1] += MICROSECOND;
            }
            scene.now += MICROSECOND;
            scene.hear(&mut spin);
        }
        assert_eq!(awake[0], WINDOW);
        assert!(awake[1] >= 998 * MICROSECOND, "{awake:?}");
    }

    #[test]
    fn a_peer_that_may_become_quick_is_waited_for_longer() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        scene.hear(&mut spin);
        let time = 3 * WINDOW;
        assert_eq!(scene.wait(&mut spin, time), WINDOW);
        // The pause after that.
        assert_eq!(scene.wait(&mut spin, time), Duration::ZERO);
        for _ in 0..=MAX_LONG {
            assert_eq!(scene.wait(&mut spin, time), time);
        }
        // It does not.
        assert_eq!(scene.wait(&mut spin, time), Duration::ZERO);
    }

    /// A connection that is alone on its thread.
    fn alone(in_place: bool) -> (Scene, Spin) {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        spin.in_place = in_place;
        (0..=ALONE).for_each(|_| scene.hear(&mut spin));
        (scene, spin)
    }

    #[test]
    fn a_connection_waits_in_place_if_it_is_alone_and_no_task_waits() {
        let (mut scene, mut spin) = alone(true);
        assert_eq!(spin.how(&scene.thread, false), Awake::InPlace);
        assert_eq!(spin.how(&scene.thread, true), Awake::Yielding);
        assert_eq!(spin.how(&scene.thread, false), Awake::InPlace);
        scene.hear(&mut Spin::new(WINDOW, false));
        assert_eq!(spin.how(&scene.thread, false), Awake::Yielding);
        (0..ALONE).for_each(|_| scene.hear(&mut spin));
        assert_eq!(spin.how(&scene.thread, false), Awake::Yielding);
        scene.hear(&mut spin);
        assert_eq!(spin.how(&scene.thread, false), Awake::InPlace);
        let (scene, mut spin) = alone(false);
        assert_eq!(spin.how(&scene.thread, false), Awake::Yielding);
    }

    #[test]
    fn other_tasks_run_from_time_to_time() {
        let (scene, mut spin) = alone(true);
        for _ in 0..3 {
            for _ in 0..MAX_POLLS {
                assert_eq!(spin.how(&scene.thread, false), Awake::InPlace);
            }
            assert_eq!(spin.how(&scene.thread, false), Awake::Yielding);
        }
    }

    #[test]
    fn on_one_thread_others_always_run() {
        let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let two = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let in_place = |at_once| Spin::new(WINDOW, at_once).in_place;
        assert_eq!([false, true].map(|at_once| one.block_on(async { in_place(at_once) })), [false, false]);
        assert_eq!([false, true].map(|at_once| two.block_on(async { in_place(at_once) })), [false, true]);
    }

    #[test]
    fn on_several_threads_a_new_connection_sleeps() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        for at_once in [false, true] {
            let mut spin = runtime.block_on(async { Spin::new(WINDOW, at_once) });
            for call in 0..u32::from(YOUNG) {
                assert_eq!(spin.stays_awake(call, false), None, "call {call}");
                spin.hear();
            }
            assert_eq!(spin.stays_awake(100, false), Some(Awake::Yielding));
        }
    }

    #[test]
    fn a_core_that_others_want_is_left_to_them() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(WINDOW, false));
        let mut tries = 0;
        for _ in 0..1000 {
            scene.hear(&mut spin);
            if scene.stays_awake(&mut spin) {
                tries += 1;
                // The next thread returns the core after its time slice, and data has come in the meantime.
                scene.now += Duration::from_millis(3);
            }
        }
        assert!(tries <= 10, "{tries}");
    }

    #[test]
    fn connections_of_a_thread_share_a_window() {
        let (mut scene, mut first, mut second) =
            (Scene::new(), Spin::new(WINDOW, false), Spin::new(WINDOW, false));
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
            let mut spin = Spin::new(WINDOW, false);
            scene.hear(&mut spin);
            awake += scene.wait(&mut spin, WINDOW + MICROSECOND);
        }
        assert!(awake <= (scene.now - begin) / SHARE + MAX_WASTED + WINDOW, "{awake:?}");
        assert!(awake >= (scene.now - begin) / SHARE);
    }

    #[test]
    fn a_new_connection_has_begun_no_call() {
        let connection = Connection::new(Role::Client, Options::new());
        let mut spin = Spin::new(WINDOW, false);
        assert_eq!(spin.stays_awake(connection.calls_begun(), false), None);
    }

    #[test]
    fn no_window_is_too_long() {
        let (mut scene, mut spin) = (Scene::new(), Spin::new(Duration::MAX, false));
        scene.hear(&mut spin);
        assert_eq!(scene.wait(&mut spin, WINDOW), WINDOW);
    }

    #[test]
    fn it_can_be_switched_off() {
        let mut spin = Spin::new(Duration::ZERO, false);
        spin.hear();
        assert_eq!(spin.stays_awake(1, false), None);
    }
}
