//! What was granted on an object: lists of who may do what and who said so, as PostgreSQL keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Something that a role may be allowed to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Privilege {
    Insert,
    Select,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Usage,
    Create,
    Temporary,
    Connect,
    /// Of a location: its files.
    Read,
    Write,
}

impl Privilege {
    const ALL: [(Self, &'static str, char); 13] = [
        (Self::Insert, "INSERT", 'a'),
        (Self::Select, "SELECT", 'r'),
        (Self::Update, "UPDATE", 'w'),
        (Self::Delete, "DELETE", 'd'),
        (Self::Truncate, "TRUNCATE", 'D'),
        (Self::References, "REFERENCES", 'x'),
        (Self::Trigger, "TRIGGER", 't'),
        (Self::Usage, "USAGE", 'U'),
        (Self::Create, "CREATE", 'C'),
        (Self::Temporary, "TEMPORARY", 'T'),
        (Self::Connect, "CONNECT", 'c'),
        (Self::Read, "READ", 'R'),
        (Self::Write, "WRITE", 'W'),
    ];

    /// Of a name in upper case.
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "TEMP" { "TEMPORARY" } else { name };
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(privilege, ..)| *privilege)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(privilege, ..)| *privilege == self).map_or("", |(_, name, _)| name)
    }

    /// In lists of PostgreSQL's.
    pub fn letter(self) -> char {
        Self::ALL.iter().find(|(privilege, ..)| *privilege == self).map_or('?', |(.., letter)| *letter)
    }
}

/// What privileges are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Securable {
    Relation,
    Column,
    Schema,
    Database,
    Location,
    Secret,
}

impl Securable {
    /// All privileges of its kind.
    pub fn privileges(self) -> &'static [Privilege] {
        use Privilege as P;
        match self {
            Self::Relation => &[P::Insert, P::Select, P::Update, P::Delete, P::Truncate, P::References, P::Trigger],
            Self::Column => &[P::Insert, P::Select, P::Update, P::References],
            Self::Schema => &[P::Usage, P::Create],
            Self::Database => &[P::Create, P::Temporary, P::Connect],
            Self::Location => &[P::Read, P::Write],
            Self::Secret => &[P::Usage],
        }
    }
}

/// What one role has from another. A privilege that may be passed on is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// `None` is everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantee: Option<String>,
    pub grantor: String,
    pub privileges: BTreeMap<Privilege, bool>,
}

/// What was granted on an object and its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// `None`: nothing was changed; the owner may do everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Vec<Grant>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, Vec<Grant>>,
}

impl Grants {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Roles that were granted something.
    pub fn grantees(&self) -> impl Iterator<Item = &str> {
        let grants = self.object.iter().flatten().chain(self.columns.values().flatten());
        grants.flat_map(|grant| [grant.grantee.as_deref(), Some(grant.grantor.as_str())]).flatten()
    }

    /// Everybody who is named.
    pub fn names(&self, name: &str) -> bool {
        let names = |grant: &Grant| grant.grantee.as_deref() == Some(name) || grant.grantor == name;
        self.object.iter().flatten().chain(self.columns.values().flatten()).any(names)
    }

    /// The role `from` is called `to` now.
    pub fn rename(&mut self, from: &str, to: &str) {
        for grant in self.object.iter_mut().flatten().chain(self.columns.values_mut().flatten()) {
            if grant.grantor == from {
                to.clone_into(&mut grant.grantor);
            }
            if let Some(grantee) = grant.grantee.as_mut().filter(|grantee| *grantee == from) {
                to.clone_into(grantee);
            }
        }
    }

    /// The column `from` is called `to` now.
    pub fn rename_column(&mut self, from: &str, to: &str) {
        if let Some(list) = self.columns.remove(from) {
            self.columns.insert(to.to_owned(), list);
        }
    }

    /// What the owner had or gave is the new owner's.
    pub fn change_owner(&mut self, from: &str, to: &str) {
        self.rename(from, to);
        for list in self.object.iter_mut().chain(self.columns.values_mut()) {
            let mut merged: Vec<Grant> = vec![];
            for grant in std::mem::take(list) {
                match merged.iter_mut().find(|other| other.grantee == grant.grantee && other.grantor == grant.grantor) {
                    Some(other) => {
                        for (privilege, option) in grant.privileges {
                            *other.privileges.entry(privilege).or_default() |= option;
                        }
                    }
                    None => merged.push(grant),
                }
            }
            *list = merged;
        }
    }

    /// Takes everything from a role, and what it has passed on.
    pub fn revoke_all(&mut self, owner: &str, role: &str) {
        for list in self.object.iter_mut().chain(self.columns.values_mut()) {
            let grants: Vec<Grant> = list.iter().filter(|grant| grant.grantee.as_deref() == Some(role)).cloned().collect();
            for Grant { grantor, privileges, .. } in grants {
                let privileges: Vec<Privilege> = privileges.into_keys().collect();
                // With CASCADE nothing is in the way.
                let _done = revoke(list, owner, Some(role), &grantor, &privileges, false, true);
            }
        }
        self.columns.retain(|_, list| !list.is_empty());
    }
}

/// What there is on an object of which nothing was said.
pub fn defaults(kind: Securable, owner: &str, is_public_schema: bool) -> Vec<Grant> {
    let grant = |grantee: Option<&str>, privileges: &[Privilege]| Grant {
        grantee: grantee.map(str::to_owned),
        grantor: owner.to_owned(),
        privileges: privileges.iter().map(|privilege| (*privilege, false)).collect(),
    };
    let everybody = of_everybody(kind, is_public_schema);
    let all = grant(Some(owner), kind.privileges());
    match (kind, everybody) {
        (Securable::Column, _) => vec![],
        (_, []) => vec![all],
        (_, everybody) => vec![grant(None, everybody), all],
    }
}

/// What everybody may do with an object of which nothing was said.
pub fn of_everybody(kind: Securable, is_public_schema: bool) -> &'static [Privilege] {
    match kind {
        Securable::Database => &[Privilege::Temporary, Privilege::Connect],
        Securable::Schema if is_public_schema => &[Privilege::Usage],
        _ => &[],
    }
}

/// Adds privileges to a list.
pub fn grant(list: &mut Vec<Grant>, grantee: Option<&str>, grantor: &str, privileges: &[Privilege], option: bool) {
    let position = list.iter().position(|grant| grant.grantee.as_deref() == grantee && grant.grantor == grantor);
    let position = position.unwrap_or_else(|| {
        list.push(Grant { grantee: grantee.map(str::to_owned), grantor: grantor.to_owned(), privileges: BTreeMap::new() });
        list.len() - 1
    });
    for privilege in privileges {
        *list[position].privileges.entry(*privilege).or_default() |= option;
    }
}

/// Others have it from the one whom it is taken from.
#[derive(Debug, PartialEq, Eq)]
pub struct Dependent;

/// Takes privileges out of a list, or the right to pass them on. What the grantee passed on goes too with `cascade`, else it
/// is an error. The owner always may.
pub fn revoke(
    list: &mut Vec<Grant>,
    owner: &str,
    grantee: Option<&str>,
    grantor: &str,
    privileges: &[Privilege],
    option: bool,
    cascade: bool,
) -> Result<(), Dependent> {
    for privilege in privileges {
        for grant in list.iter_mut().filter(|grant| grant.grantee.as_deref() == grantee && grant.grantor == grantor) {
            match (option, grant.privileges.get_mut(privilege)) {
                (true, Some(passes)) => *passes = false,
                (true, None) => {}
                (false, _) => {
                    grant.privileges.remove(privilege);
                }
            }
        }
        let Some(role) = grantee.filter(|role| *role != owner && !passes_on(list, role, *privilege)) else { continue };
        let passed: BTreeSet<Option<String>> = list
            .iter()
            .filter(|grant| grant.grantor == role && grant.privileges.contains_key(privilege))
            .map(|grant| grant.grantee.clone())
            .collect();
        if !passed.is_empty() && !cascade {
            return Err(Dependent);
        }
        for other in passed {
            revoke(list, owner, other.as_deref(), role, &[*privilege], false, true)?;
        }
    }
    list.retain(|grant| !grant.privileges.is_empty());
    Ok(())
}

/// The grantor would have what it gives from the one to whom it gives it.
#[derive(Debug, PartialEq, Eq)]
pub struct Circular;

/// Fails if options went round in a circle, from which nobody could take them.
pub fn check_circular(
    list: &[Grant],
    owner: &str,
    grantee: Option<&str>,
    grantor: &str,
    privileges: &[Privilege],
    option: bool,
) -> Result<(), Circular> {
    let Some(grantee) = grantee.filter(|_| option && grantor != owner) else { return Ok(()) };
    for privilege in privileges.iter().filter(|privilege| passes_on(list, grantor, **privilege)) {
        let mut without = list.to_vec();
        for source in list.iter().filter(|grant| grant.grantee.as_deref() == Some(grantee)) {
            let _done = revoke(&mut without, owner, Some(grantee), &source.grantor, &[*privilege], true, true);
        }
        if grantee == grantor || !passes_on(&without, grantor, *privilege) {
            return Err(Circular);
        }
    }
    Ok(())
}

/// Whether a role has a privilege that it may pass on.
pub fn passes_on(list: &[Grant], role: &str, privilege: Privilege) -> bool {
    list.iter().any(|grant| grant.grantee.as_deref() == Some(role) && grant.privileges.get(&privilege) == Some(&true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELECT: &[Privilege] = &[Privilege::Select];

    fn holders(list: &[Grant]) -> Vec<&str> {
        list.iter().map(|grant| grant.grantee.as_deref().unwrap_or("everybody")).collect()
    }

    #[test]
    fn what_was_passed_on_is_taken_with_its_source() {
        let mut list = defaults(Securable::Relation, "owner", false);
        grant(&mut list, Some("a"), "owner", SELECT, true);
        grant(&mut list, Some("b"), "a", SELECT, true);
        grant(&mut list, None, "b", SELECT, false);
        let before = list.clone();
        assert_eq!(revoke(&mut list, "owner", Some("a"), "owner", SELECT, false, false), Err(Dependent));
        list = before.clone();
        assert_eq!(revoke(&mut list, "owner", Some("a"), "owner", SELECT, true, false), Err(Dependent));
        list = before.clone();
        assert_eq!(revoke(&mut list, "owner", Some("a"), "owner", SELECT, true, true), Ok(()));
        assert_eq!(holders(&list), ["owner", "a"]);
        list = before;
        grant(&mut list, Some("b"), "owner", SELECT, true);
        assert_eq!(revoke(&mut list, "owner", Some("a"), "owner", SELECT, false, true), Ok(()));
        // Its other source remains.
        assert_eq!(holders(&list), ["owner", "everybody", "b"]);
    }

    #[test]
    fn options_do_not_go_round_in_a_circle() {
        let mut list = defaults(Securable::Relation, "owner", false);
        grant(&mut list, Some("a"), "owner", SELECT, true);
        grant(&mut list, Some("b"), "a", SELECT, true);
        assert_eq!(check_circular(&list, "owner", Some("a"), "b", SELECT, true), Err(Circular));
        assert_eq!(check_circular(&list, "owner", Some("a"), "b", SELECT, false), Ok(()));
        assert_eq!(check_circular(&list, "owner", Some("c"), "b", SELECT, true), Ok(()));
        grant(&mut list, Some("b"), "owner", SELECT, true);
        assert_eq!(check_circular(&list, "owner", Some("a"), "b", SELECT, true), Ok(()));
        grant(&mut list, Some("c"), "b", SELECT, false);
        let mut grants = Grants { object: Some(list), ..Grants::default() };
        grants.revoke_all("owner", "b");
        assert_eq!(holders(grants.object.as_deref().unwrap_or_default()), ["owner", "a"]);
    }

    #[test]
    fn the_owner_loses_what_it_says_and_can_say_otherwise() {
        let mut list = defaults(Securable::Schema, "owner", true);
        assert_eq!(holders(&list), ["everybody", "owner"]);
        assert_eq!(revoke(&mut list, "owner", Some("owner"), "owner", &[Privilege::Create], false, false), Ok(()));
        assert_eq!(list[1].privileges.keys().collect::<Vec<_>>(), [&Privilege::Usage]);
        let mut grants = Grants { object: Some(list), ..Grants::default() };
        grants.change_owner("owner", "other");
        assert!(!grants.names("owner") && grants.names("other"));
    }
}
