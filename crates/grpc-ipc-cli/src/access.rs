//! Access policies as arguments.

use grpc_ipc::{AccessPolicy, GroupId, UserId};

/// The values of an option with a policy, for `--help`.
pub(crate) const POLICIES: &str = "same-user-or-system, same-user, system, administrators, user:NAME, group:NAME \
    (a number or a SID instead of NAME), anyone; several with commas between them allow what one of them allows";

/// The policy that `text` names.
pub(crate) fn policy(text: &str) -> Result<AccessPolicy, String> {
    let policies = text.split(',').map(one).collect::<Result<Vec<_>, _>>()?;
    policies.into_iter().reduce(AccessPolicy::or).ok_or_else(expected)
}

fn one(text: &str) -> Result<AccessPolicy, String> {
    Ok(match text.split_once(':') {
        Some(("user", name)) => match user(name) {
            Some(user) => AccessPolicy::users([user]),
            None => AccessPolicy::user_names([name]),
        },
        Some(("group", name)) => match group(name) {
            Some(group) => AccessPolicy::groups([group]),
            None => AccessPolicy::group_names([name]),
        },
        None if text == "same-user-or-system" => AccessPolicy::same_user_or_system(),
        None if text == "same-user" => AccessPolicy::same_user(),
        None if text == "system" => AccessPolicy::system(),
        None if text == "administrators" => AccessPolicy::administrators(),
        None if text == "anyone" => AccessPolicy::dangerous_allow_anyone(),
        _ => return Err(expected()),
    })
}

fn user(text: &str) -> Option<UserId> {
    let sid = text.starts_with("S-1-").then(|| UserId::Sid(text.into()));
    sid.or_else(|| text.parse().ok().map(UserId::Uid))
}

fn group(text: &str) -> Option<GroupId> {
    let sid = text.starts_with("S-1-").then(|| GroupId::Sid(text.into()));
    sid.or_else(|| text.parse().ok().map(GroupId::Gid))
}

fn expected() -> String {
    format!("expected one of {POLICIES}")
}
