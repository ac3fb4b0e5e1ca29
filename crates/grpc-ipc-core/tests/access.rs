//! Which peers an access policy accepts, and how it reports the others.

use std::future::pending;
use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use grpc_ipc_core::{AccessPolicy, GroupId, NameService, NoNames, Peer, Refused, UserId};

const OWN: UserId = UserId::Uid(1000);

fn peer(uid: u32) -> Peer {
    Peer::new("unix").with_user(UserId::Uid(uid)).with_pid(1).same_user_as(&OWN)
}

/// The answer of a policy that needs no time.
fn check(policy: &AccessPolicy, peer: &Peer) -> Result<(), Refused> {
    policy.check(peer).now_or_never().expect("an answer at the first poll")
}

fn admits(policy: &AccessPolicy, peer: &Peer) -> bool {
    check(policy, peer).is_ok()
}

#[test]
fn the_default_is_the_same_user_or_root() {
    let policy = AccessPolicy::default();
    assert!(admits(&policy, &peer(1000)));
    assert!(admits(&policy, &peer(0)));
    assert!(!admits(&policy, &peer(1001)));
}

#[test]
fn the_same_user_only_refuses_root_and_the_system_only_this_user() {
    assert!(admits(&AccessPolicy::same_user(), &peer(1000)));
    assert!(!admits(&AccessPolicy::same_user(), &peer(0)));
    assert!(admits(&AccessPolicy::system(), &peer(0)));
    assert!(!admits(&AccessPolicy::system(), &peer(1000)));
}

#[test]
fn a_list_of_users_is_that_list() {
    let policy = AccessPolicy::users([UserId::Uid(5)]);
    assert!(admits(&policy, &peer(5)));
    assert!(!admits(&policy, &peer(1000)));
    assert!(!admits(&policy, &peer(0)));
    assert!(!admits(&AccessPolicy::users([]), &peer(1000)));
}

#[test]
fn a_list_of_groups_has_primary_and_supplementary_members() {
    let policy = AccessPolicy::groups([GroupId::Gid(5)]);
    assert!(admits(&policy, &peer(7).with_group(GroupId::Gid(5))));
    assert!(admits(&policy, &peer(7).with_groups([GroupId::Gid(4), GroupId::Gid(5)])));
    assert!(!admits(&policy, &peer(7).with_group(GroupId::Gid(4)).with_groups([])));
    assert!(!admits(&policy, &peer(5)), "the user of the same number, its groups are unknown");
}

#[test]
fn administrators_are_root_system_and_those_with_the_group_enabled() {
    let sid = |user: &str| Peer::new("npipe").with_user(UserId::Sid(user.into()));
    let alice = sid("S-1-5-21-1-2-3-1001");
    let group = |group: &str| GroupId::Sid(group.into());
    let policy = AccessPolicy::administrators();
    assert!(admits(&policy, &peer(0)));
    assert!(!admits(&policy, &peer(1000)), "this user is none because it is this user");
    assert!(admits(&policy, &sid("S-1-5-18")));
    assert!(admits(&policy, &sid("S-1-5-32-544")), "the owner of a pipe");
    assert!(admits(&policy, &alice.clone().with_groups([group("S-1-5-32-545"), group("S-1-5-32-544")])));
    assert!(!admits(&policy, &alice.clone().with_groups([group("S-1-5-32-545")])));
    assert!(!admits(&policy, &alice.with_elevated(true)), "its groups are unknown");
}

#[test]
fn a_session_is_that_of_this_process_and_says_nothing_of_the_user() {
    let sid = UserId::Sid("S-1-5-21-1-2-3-1001".into());
    let bob = UserId::Sid("S-1-5-21-1-2-3-1002".into());
    let in_session = |user: &UserId, session| {
        Peer::new("npipe").with_user(user.clone()).with_session(session).same_session_as(2)
    };
    let policy = AccessPolicy::same_session();
    assert!(admits(&policy, &in_session(&sid, 2)));
    assert!(admits(&policy, &in_session(&bob, 2)));
    assert!(!admits(&policy, &in_session(&sid, 3)));
    assert!(!admits(&policy, &in_session(&UserId::Sid("S-1-5-18".into()), 0)), "a service");
    assert!(!admits(&policy, &peer(1000)), "Unix has no sessions");
    assert!(!admits(&policy, &peer(1000).with_session(2)), "this process's is not known");
    let both = AccessPolicy::same_user().and(policy);
    assert!(admits(&both, &in_session(&sid, 2).same_user_as(&sid)));
    assert!(!admits(&both, &in_session(&sid, 3).same_user_as(&sid)));
    assert!(!admits(&both, &in_session(&bob, 2).same_user_as(&sid)));
}

#[test]
fn a_package_is_one_of_those_that_are_named_or_that_of_this_process() {
    let (ours, other) = ("S-1-15-2-1-2-3-4-5-6-7", "S-1-15-2-7-6-5-4-3-2-1");
    let contained = |package: &str| Peer::new("npipe").with_package(package);
    let named = AccessPolicy::packages([ours]);
    assert!(admits(&named, &contained(ours)));
    assert!(!admits(&named, &contained(other)));
    assert!(!admits(&named, &Peer::new("npipe")), "in no AppContainer");
    assert!(!admits(&AccessPolicy::packages([""; 0]), &contained(ours)));
    let same = AccessPolicy::same_package();
    assert!(admits(&same, &contained(ours).same_package_as(ours)));
    assert!(!admits(&same, &contained(other).same_package_as(ours)));
    assert!(!admits(&same, &contained(ours)), "this process runs in none");
    assert!(!admits(&same, &Peer::new("npipe")), "neither does");
    assert!(named.is_constant() && same.is_immediate());
    assert_eq!(same.or(named).to_string(), format!("the same package or package={ours}"));
}

#[test]
fn or_lets_in_whom_either_does_and_and_whom_both_do() {
    let (five, six) = (AccessPolicy::users([UserId::Uid(5)]), AccessPolicy::groups([GroupId::Gid(6)]));
    let in_six = |uid| peer(uid).with_group(GroupId::Gid(6));
    let either = five.clone().or(six.clone());
    assert!(admits(&either, &peer(5)));
    assert!(admits(&either, &in_six(7)));
    assert!(!admits(&either, &peer(7)));
    let both = five.and(six);
    assert!(admits(&both, &in_six(5)));
    assert!(!admits(&both, &peer(5)));
    assert!(!admits(&both, &in_six(7)));
    let nobody = AccessPolicy::users([]);
    assert!(!admits(&nobody.clone().and(AccessPolicy::dangerous_allow_anyone()), &peer(5)));
    assert!(admits(&nobody.or(AccessPolicy::dangerous_allow_anyone()), &peer(5)));
}

#[test]
fn a_policy_says_in_words_whom_it_lets_in() {
    let (five, six) = (AccessPolicy::users([UserId::Uid(5)]), AccessPolicy::groups([GroupId::Gid(6)]));
    let policy = AccessPolicy::default().or(five.clone()).and(six.clone().or(AccessPolicy::system()));
    assert_eq!(
        policy.to_string(),
        "(the same user or the system (root, SYSTEM) or uid=5) and (members of gid=6 or the system (root, SYSTEM))"
    );
    assert_eq!(five.clone().and(six).or(five).to_string(), "(uid=5 and members of gid=6) or uid=5");
    assert_eq!(AccessPolicy::users([]).to_string(), "nobody");
    assert_eq!(AccessPolicy::administrators().to_string(), "administrators");
}

#[test]
fn an_unknown_user_is_nobody_that_a_policy_knows() {
    let unknown = Peer::new("unix").with_pid(1);
    for policy in [
        AccessPolicy::default(),
        AccessPolicy::same_user(),
        AccessPolicy::administrators(),
        AccessPolicy::users([UserId::Uid(0)]),
        AccessPolicy::groups([GroupId::Gid(0)]),
    ] {
        assert!(!admits(&policy, &unknown), "{policy}");
    }
    assert!(admits(&AccessPolicy::dangerous_allow_anyone(), &unknown));
}

#[test]
fn this_process_is_the_same_user() {
    assert!(admits(&AccessPolicy::default(), &Peer::this_process("memory")));
    assert!(!admits(&AccessPolicy::users([OWN]), &Peer::this_process("memory")));
}

#[test]
fn a_closure_decides_by_the_peer() {
    let policy = AccessPolicy::custom(|peer| peer.pid() == Some(1));
    assert!(admits(&policy, &peer(7)));
    assert!(!admits(&policy, &peer(7).with_pid(2)));
}

#[test]
fn a_refusal_says_who_and_why() {
    let refused = check(&AccessPolicy::default(), &peer(1001)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "peer unix:uid=1001,pid=1 is refused: the access policy allows the same user or the system (root, SYSTEM)"
    );
    assert_eq!(refused.peer(), &peer(1001));
}

#[test]
fn a_policy_counts_with_its_clones_and_not_with_what_is_made_of_it() {
    let policy = AccessPolicy::default();
    let clone = policy.clone().resolve(&NoNames).unwrap();
    let wider = policy.clone().or(AccessPolicy::users([]));
    for refused in 1..=3 {
        assert!(!admits(&clone, &peer(1001)));
        assert!(admits(&clone, &peer(1000)));
        assert_eq!(policy.refused(), refused);
    }
    assert_eq!(wider.refused(), 0);
}

/// The names of a system: `alice` is user 5, `operators` are group 6, and the lookup of `mallory` fails.
struct Names;

impl NameService for Names {
    fn user(&self, name: &str) -> io::Result<Option<UserId>> {
        match name {
            "alice" => Ok(Some(UserId::Uid(5))),
            "mallory" => Err(io::Error::other("the directory does not answer")),
            _ => Ok(None),
        }
    }

    fn group(&self, name: &str) -> io::Result<Option<GroupId>> {
        Ok((name == "operators").then_some(GroupId::Gid(6)))
    }
}

#[tokio::test]
async fn names_are_looked_up_once() {
    use std::error::Error as _;

    let alice = AccessPolicy::user_names(["alice"]);
    let unresolved = check(&alice, &peer(5)).unwrap_err().to_string();
    assert!(unresolved.ends_with(r#", but the transport did not look up the user "alice""#), "{unresolved}");

    let policy = AccessPolicy::same_user().or(alice.and(AccessPolicy::group_names(["operators"])));
    for resolved in [policy.resolve(&Names).unwrap(), policy.look_up_names(Names).await.unwrap()] {
        assert_eq!(
            resolved.to_string(),
            r#"the same user or (the user "alice" (uid=5) and members of the group "operators" (members of gid=6))"#
        );
        assert!(admits(&resolved, &peer(5).with_group(GroupId::Gid(6))));
        assert!(!admits(&resolved, &peer(5)));
    }

    for (policy, message, source) in [
        (AccessPolicy::user_names(["bob"]), r#"the user "bob""#, "this name does not exist"),
        (AccessPolicy::group_names(["alice"]), r#"the group "alice""#, "this name does not exist"),
        (
            AccessPolicy::user_names(["alice", "mallory"]),
            r#"the user "mallory""#,
            "the directory does not answer",
        ),
    ] {
        let error = policy.look_up_names(Names).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{message} in the access policy cannot be resolved"));
        assert_eq!(error.source().unwrap().to_string(), source);
    }
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn an_asynchronous_closure_decides_within_its_limit() {
    let even = AccessPolicy::custom_async(LIMIT, async |peer: Peer| {
        tokio::time::sleep(LIMIT / 2).await;
        matches!(peer.user(), Some(UserId::Uid(uid)) if uid % 2 == 0)
    });
    assert!(even.check(&peer(1000)).await.is_ok());
    assert!(even.check(&peer(1001)).await.is_err());

    let never = AccessPolicy::custom_async(LIMIT, |_| pending());
    let refused = never.check(&peer(1000)).await.unwrap_err().to_string();
    assert!(
        refused
            .ends_with("peers that the program's own check allows, but its check did not finish within 5s"),
        "{refused}"
    );
    assert!(never.clone().and(even.clone()).check(&peer(1000)).await.is_err());
    assert!(never.clone().or(even).check(&peer(1000)).await.is_ok());
    assert!(never.check(&peer(1000)).now_or_never().is_none());
}

#[tokio::test]
async fn what_panics_refuses() {
    let panics = AccessPolicy::custom(|_| panic!("on purpose"));
    let refused = check(&panics, &peer(1000)).unwrap_err().to_string();
    assert!(refused.ends_with(", but its check panicked"), "{refused}");

    let at_once = AccessPolicy::custom_async(LIMIT, |_| -> std::future::Ready<bool> { panic!("on purpose") });
    let later = AccessPolicy::custom_async(LIMIT, async |_| {
        tokio::task::yield_now().await;
        panic!("on purpose")
    });
    for policy in [at_once, later] {
        let refused = policy.check(&peer(1000)).await.unwrap_err().to_string();
        assert!(refused.ends_with(", but its check panicked"), "{refused}");
    }
}

#[tokio::test]
async fn what_can_be_answered_at_once_is_not_asked_for_later() {
    let asked = || AccessPolicy::custom_async(LIMIT, |_| -> std::future::Ready<bool> { panic!("asked") });
    assert!(admits(&asked().or(AccessPolicy::same_user()), &peer(1000)));
    let refused = check(&asked().and(AccessPolicy::same_user()), &peer(1001)).unwrap_err();
    assert!(!refused.to_string().contains("panicked"), "{refused}");
}

#[test]
fn a_policy_tells_whether_it_takes_time_and_says_the_same_each_time() {
    let custom = || AccessPolicy::custom(|_| true);
    let slow = || AccessPolicy::custom_async(Duration::from_secs(20), async |_| true);
    let named = || AccessPolicy::user_names(["alice"]);
    let cases = [
        (AccessPolicy::default(), true, true),
        (AccessPolicy::dangerous_allow_anyone().and(AccessPolicy::administrators()), true, true),
        (named().or(AccessPolicy::users([OWN])), true, true),
        (custom(), true, false),
        (AccessPolicy::default().or(AccessPolicy::same_user().and(custom())), true, false),
        (slow(), false, false),
        (AccessPolicy::default().and(named().or(slow())).or(AccessPolicy::system()), false, false),
    ];
    for (policy, is_immediate, is_constant) in cases {
        assert_eq!((policy.is_immediate(), policy.is_constant()), (is_immediate, is_constant), "{policy}");
    }
}
