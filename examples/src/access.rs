//! Access policies as arguments of a command.

use grpc_ipc::{AccessPolicy, GroupId, UserId};

/// The policies that [`policy`] accepts, for `--help`.
pub const POLICIES: &str = "same-user-or-system, same-user, system, administrators, user:NAME, group:NAME (or their \
    numbers), anyone; or several, separated by commas, of which one must match";

/// The policy that `text` names.
///
/// # Errors
/// The possible policies, if `text` is not one of them.
pub fn policy(text: &str) -> Result<AccessPolicy, String> {
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
