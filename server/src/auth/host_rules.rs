//! Who may connect, from where, and how they show who they are: rules in the form of PostgreSQL's `pg_hba.conf`. The first
//! that is for a client decides; without one it is refused.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    connection: Connection,
    databases: Vec<String>,
    users: Vec<String>,
    addresses: Addresses,
    method: Method,
    /// A certificate is asked for too, of this user.
    needs_certificate: bool,
    /// Users by the names in their certificates; without any they are the same.
    map: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Any,
    Encrypted,
    Plain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Addresses {
    All,
    Loopback,
    Network(IpNet),
}

/// How clients show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// They need not.
    Trust,
    /// They may not connect.
    Reject,
    ScramSha256,
    /// In clear text, which is for encrypted connections only.
    Password,
    /// By the name in their certificate.
    Certificate,
}

/// A client, as far as rules tell clients apart.
#[derive(Debug)]
pub struct Client<'a> {
    pub address: IpAddr,
    pub is_encrypted: bool,
    pub user: &'a str,
    pub database: &'a str,
}

/// What a client has to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Demand<'a> {
    pub method: Method,
    pub needs_certificate: bool,
    map: &'a [(String, String)],
}

impl Demand<'_> {
    /// Whether a certificate of this name is for a user.
    pub fn names(&self, certificate: &str, user: &str) -> bool {
        match self.map {
            [] => certificate == user,
            map => map.iter().any(|(name, mapped)| name == certificate && mapped == user),
        }
    }
}

impl HostRules {
    /// One method for all: from other machines on encrypted connections only.
    pub fn of(method: Method) -> Self {
        let rule = |connection, addresses| Rule {
            connection,
            databases: vec!["all".into()],
            users: vec!["all".into()],
            addresses,
            method,
            needs_certificate: false,
            map: vec![],
        };
        match method {
            Method::Trust => Self(vec![rule(Connection::Any, Addresses::Loopback)]),
            _ => Self(vec![rule(Connection::Any, Addresses::Loopback), rule(Connection::Encrypted, Addresses::All)]),
        }
    }

    /// The error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rules = vec![];
        for (index, line) in text.lines().enumerate() {
            let words = words(line).map_err(|error| format!("line {}: {error}", index + 1))?;
            if words.is_empty() || words[0] == "local" {
                // Nobody connects through a socket of the file system.
                continue;
            }
            rules.push(rule(&words).map_err(|error| format!("line {}: {error}", index + 1))?);
        }
        Ok(Self(rules))
    }

    /// The rule for a client; `is_member` says whether its user is a member of a role.
    pub fn demand(&self, client: &Client<'_>, is_member: impl Fn(&str) -> bool) -> Option<Demand<'_>> {
        let rule = self.0.iter().find(|rule| rule.is_for(client, &is_member))?;
        Some(Demand { method: rule.method, needs_certificate: rule.needs_certificate, map: &rule.map })
    }
}

impl Rule {
    fn is_for(&self, client: &Client<'_>, is_member: &impl Fn(&str) -> bool) -> bool {
        let address = client.address.to_canonical();
        let is_connection = match self.connection {
            Connection::Any => true,
            Connection::Encrypted => client.is_encrypted,
            Connection::Plain => !client.is_encrypted,
        };
        let is_address = match &self.addresses {
            Addresses::All => true,
            Addresses::Loopback => address.is_loopback(),
            Addresses::Network(network) => network.contains(&address),
        };
        let is_database = |name: &String| match name.as_str() {
            "all" => true,
            "sameuser" => client.database == client.user,
            "samerole" => is_member(client.database),
            name => name == client.database,
        };
        let is_user = |name: &String| match name.strip_prefix('+') {
            Some(role) => is_member(role),
            None => name == "all" || name == client.user,
        };
        is_connection && is_address && self.databases.iter().any(is_database) && self.users.iter().any(is_user)
    }
}

fn rule(words: &[String]) -> Result<Rule, String> {
    let connection = match words[0].as_str() {
        "host" => Connection::Any,
        "hostssl" => Connection::Encrypted,
        "hostnossl" => Connection::Plain,
        other => return Err(format!("\"{other}\" is no kind of connection: host, hostssl, hostnossl")),
    };
    let [_, databases, users, address, rest @ ..] = words else {
        return Err("a rule has a kind of connection, databases, users, addresses and a method".into());
    };
    let (addresses, rest) = addresses(address, rest)?;
    let [method, options @ ..] = rest else { return Err("the rule has no method".into()) };
    let method = method.parse()?;
    let list = |text: &String| text.split(',').map(str::to_owned).collect();
    let mut rule = Rule { connection, databases: list(databases), users: list(users), addresses, method, needs_certificate: false, map: vec![] };
    for option in options {
        match option.split_once('=') {
            Some(("clientcert", "verify-full")) => rule.needs_certificate = true,
            Some(("map", pairs)) => {
                let pair = |pair: &str| pair.split_once(':').map(|(name, user)| (name.to_owned(), user.to_owned()));
                let pairs: Option<Vec<_>> = pairs.split(',').map(pair).collect();
                rule.map = pairs.ok_or("a map is name:user,name:user")?;
            }
            _ => return Err(format!("\"{option}\" is no option of a rule: clientcert=verify-full, map=name:user")),
        }
    }
    if method == Method::Certificate && connection != Connection::Encrypted {
        return Err("the method cert is for hostssl only".into());
    }
    Ok(rule)
}

/// An address, with a mask of its own if the next word is one.
fn addresses<'a>(address: &str, rest: &'a [String]) -> Result<(Addresses, &'a [String]), String> {
    let invalid = || format!("\"{address}\" is no address: all, localhost, 10.0.0.0/8, 10.0.0.0 255.0.0.0, ::1/128");
    let network = match address {
        "all" => return Ok((Addresses::All, rest)),
        "localhost" | "samehost" => return Ok((Addresses::Loopback, rest)),
        network if network.contains('/') => return Ok((Addresses::Network(network.parse().map_err(|_| invalid())?), rest)),
        address => address.parse::<IpAddr>().map_err(|_| invalid())?,
    };
    match rest {
        [mask, rest @ ..] if mask.parse::<IpAddr>().is_ok() => {
            let mask = mask.parse().map_err(|_| invalid())?;
            Ok((Addresses::Network(IpNet::with_netmask(network, mask).map_err(|_| invalid())?), rest))
        }
        rest => Ok((Addresses::Network(network.into()), rest)),
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trust" => Ok(Self::Trust),
            "reject" => Ok(Self::Reject),
            "scram-sha-256" => Ok(Self::ScramSha256),
            "password" => Ok(Self::Password),
            "cert" => Ok(Self::Certificate),
            other => Err(format!("\"{other}\" is no method: trust, reject, scram-sha-256, password, cert")),
        }
    }
}

/// Words between white space, perhaps in quotation marks, up to a `#`.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '#' if !is_quoted => break,
            character if character.is_whitespace() && !is_quoted => words.extend(word.take()),
            character => word.get_or_insert_default().push(character),
        }
    }
    if is_quoted {
        return Err("a quotation mark has no end".into());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
        # TYPE   DATABASE  USER        ADDRESS              METHOD
        local    all       all                              trust
        host     all       all         127.0.0.1/32         trust
        hostssl  lake,two  +analysts   10.0.0.0 255.0.0.0   scram-sha-256   clientcert=verify-full
        hostnossl all      all         10.0.0.0/8           reject
        hostssl  all       \"my user\" 2001:db8::/32        cert            map=cn:x,me:\"my user\"
    ";

    fn method(rules: &HostRules, address: &str, is_encrypted: bool, user: &str, database: &str) -> Option<Method> {
        let client = Client { address: address.parse().expect("an address"), is_encrypted, user, database };
        rules.demand(&client, |role| role == "analysts" && user == "ann").map(|demand| demand.method)
    }

    #[test]
    fn the_first_rule_for_a_client_decides() {
        let rules = HostRules::parse(RULES).expect("rules");
        assert_eq!(method(&rules, "127.0.0.1", false, "ann", "lake"), Some(Method::Trust));
        assert_eq!(method(&rules, "::ffff:127.0.0.1", false, "ann", "lake"), Some(Method::Trust));
        assert_eq!(method(&rules, "10.1.2.3", true, "ann", "two"), Some(Method::ScramSha256));
        assert_eq!(method(&rules, "10.1.2.3", true, "bob", "two"), None);
        assert_eq!(method(&rules, "10.1.2.3", true, "ann", "three"), None);
        assert_eq!(method(&rules, "10.1.2.3", false, "ann", "lake"), Some(Method::Reject));
        assert_eq!(method(&rules, "2001:db8::1", true, "my user", "lake"), Some(Method::Certificate));
        assert_eq!(method(&rules, "192.168.0.1", true, "ann", "lake"), None);
        let client = Client { address: "2001:db8::1".parse().expect("an address"), is_encrypted: true, user: "my user", database: "lake" };
        let demand = rules.demand(&client, |_| false).expect("a rule");
        assert!(demand.names("me", "my user") && !demand.names("cn", "my user") && !demand.names("my user", "my user"));
    }

    #[test]
    fn one_method_is_for_others_when_they_are_encrypted() {
        let rules = HostRules::of(Method::ScramSha256);
        assert_eq!(method(&rules, "::1", false, "ann", "lake"), Some(Method::ScramSha256));
        assert_eq!(method(&rules, "10.0.0.1", true, "ann", "lake"), Some(Method::ScramSha256));
        assert_eq!(method(&rules, "10.0.0.1", false, "ann", "lake"), None);
        assert_eq!(method(&HostRules::of(Method::Trust), "10.0.0.1", true, "ann", "lake"), None);
        assert_eq!(method(&HostRules::parse("").expect("no rules"), "127.0.0.1", true, "ann", "lake"), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (line, error) in [
            ("hosts all all all trust", "is no kind of connection"),
            ("host all all 1.2.3/8 trust", "is no address"),
            ("host all all all md5", "is no method"),
            ("host all all all", "has no method"),
            ("host all", "a rule has"),
            ("host all all all cert", "for hostssl only"),
            ("host all all all trust x=1", "is no option"),
            ("host all \"all all trust", "has no end"),
        ] {
            let found = HostRules::parse(&format!("\n{line}")).expect_err(line);
            assert!(found.starts_with("line 2: ") && found.contains(error), "{line}: {found}");
        }
    }
}
