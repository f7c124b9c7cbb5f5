//! Lists of privileges as `relacl` and its like have them, and the tables of memberships and defaults.

use udfs::postgres::value::Value;

use super::roles::role_oid;
use super::{Rows, Source};
use crate::catalog::BOOTSTRAP_ROLE;
use crate::catalog::grants::{Grant, Securable};
use crate::catalog::object::Definition;
use crate::privileges::Secured;

/// What was granted on an object; NULL while nothing was said.
pub(super) fn list_of(object: &Secured<'_>) -> Value {
    if object.has_list() { items(&object.list()) } else { Value::Null }
}

/// `grantee=privileges/grantor`, with `*` after what may be passed on.
pub(super) fn items(list: &[Grant]) -> Value {
    let item = |grant: &Grant| {
        let mut item = grant.grantee.as_deref().map(name).unwrap_or_default();
        item.push('=');
        for (privilege, option) in &grant.privileges {
            item.push(privilege.letter());
            if *option {
                item.push('*');
            }
        }
        item.push('/');
        item.push_str(&name(&grant.grantor));
        Value::Text(item)
    };
    Value::List(list.iter().map(item).collect())
}

fn name(role: &str) -> String {
    match role.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80) {
        true => role.to_owned(),
        false => format!("\"{}\"", role.replace('"', "\"\"")),
    }
}

pub(super) fn pg_auth_members(rows: &mut Rows, source: &Source<'_>) {
    rows.push_dump("pg_auth_members");
    for (member, role) in source.snapshot.roles() {
        for (group, membership) in &role.member_of {
            rows.push(&[
                ("roleid", role_oid(source, group).into()),
                ("member", role_oid(source, &member.name).into()),
                ("grantor", role_oid(source, &membership.grantor).into()),
                ("admin_option", membership.admin.into()),
            ]);
        }
    }
}

pub(super) fn pg_default_acl(rows: &mut Rows, source: &Source<'_>) {
    for object in source.snapshot.objects() {
        let Definition::Defaults { on } = object.definition else { continue };
        rows.push(&[
            ("oid", object.oid.into()),
            ("defaclrole", role_oid(source, &object.owner).into()),
            ("defaclnamespace", object.parent.into()),
            ("defaclobjtype", if on == Securable::Schema { "n" } else { "r" }.into()),
            ("defaclacl", items(object.grants.object.as_deref().unwrap_or_default())),
        ]);
    }
}

/// What PostgreSQL lets everybody read.
pub(super) fn readable_by_all() -> Value {
    Value::List(vec![Value::text(format!("{0}=arwdDxt/{0}", BOOTSTRAP_ROLE)), Value::text(format!("=r/{}", BOOTSTRAP_ROLE))])
}

/// A system schema's.
pub(super) fn usable_by_all() -> Value {
    Value::List(vec![Value::text(format!("{0}=UC/{0}", BOOTSTRAP_ROLE)), Value::text(format!("=U/{}", BOOTSTRAP_ROLE))])
}
