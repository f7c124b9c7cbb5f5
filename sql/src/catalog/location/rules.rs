//! Which locations statements may name. Those of the command line are the operator's, who may name any.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use engine::Secrets;
use url::{Host, Url};

use crate::catalog::grants::Privilege;
use crate::error::{Error, Result};
use crate::privileges::{Rights, secured_object};
use crate::sql_state::SqlState;

/// What the operator lets statements name.
#[derive(Clone, Debug, Default)]
pub struct LocationRules {
    /// Directories and files of this machine. Statements may name what is in them.
    paths: Vec<PathBuf>,
    /// Where statements may write.
    exports: Vec<PathBuf>,
    /// What is the server's own, wherever it is.
    own: Vec<PathBuf>,
    /// What is in there and is served all the same, such as a sample.
    told: Vec<PathBuf>,
    /// Whether HTTP hosts may be this machine or one that only its own network knows.
    private_hosts: bool,
    /// What may be read and written of object stores and web servers; `None` is everything.
    urls: Option<GrantedUrls>,
    /// By name.
    store_secrets: Secrets,
}

/// URLs that a role was granted.
#[derive(Clone, Debug, Default)]
struct GrantedUrls {
    readable: Vec<Url>,
    writable: Vec<Url>,
    /// Names of secrets: whatever they open.
    secrets: Vec<String>,
}

impl LocationRules {
    /// `locations` are those that the server was told; of them the ones of this machine count. In `exports` statements may
    /// write too, and nothing in `own` is theirs.
    pub fn new(locations: &[String], exports: &[PathBuf], own: &[PathBuf], private_hosts: bool) -> Self {
        // Both as it was written, and as it is without symbolic links.
        let both = |path: PathBuf| std::path::absolute(&path).into_iter().chain(path.canonicalize());
        let exports: Vec<PathBuf> = exports.iter().cloned().flat_map(both).collect();
        let locations = locations.iter().filter_map(|location| local_path(location));
        let paths = locations.map(|path| until_pattern(&path)).flat_map(both).chain(exports.iter().cloned());
        let own: Vec<PathBuf> = own.iter().cloned().flat_map(both).collect();
        let is_within = |path: &&PathBuf| own.iter().any(|own| path.starts_with(own) && *path != own);
        let paths: Vec<PathBuf> = paths.collect();
        let told = paths.iter().filter(is_within).cloned().collect();
        Self { paths, exports, own, told, private_hosts, urls: None, store_secrets: Secrets::default() }
    }

    /// The same with the secrets that URLs name.
    pub fn with_secrets(self, store_secrets: Secrets) -> Self {
        Self { store_secrets, ..self }
    }

    /// The rules for a role: superusers may name what the server was told and what was granted to anybody, others what was
    /// granted to them.
    pub(crate) fn of(&self, rights: &Rights<'_>) -> Self {
        let granted = |privilege: Privilege| {
            let locations = rights.snapshot.locations().filter(move |object| rights.may(&secured_object(object), privilege));
            locations.flat_map(|object| object.definition.locations(&object.name)).collect::<Vec<_>>()
        };
        let (readable, writable) = (granted(Privilege::Read), granted(Privilege::Write));
        let paths = |locations: &[String]| {
            let paths = locations.iter().filter_map(|location| local_path(location));
            paths.collect::<Vec<PathBuf>>()
        };
        let (readable_paths, writable_paths) = (paths(&readable), paths(&writable));
        match rights.is_superuser() {
            true => Self {
                paths: self.paths.iter().cloned().chain(readable_paths).collect(),
                exports: self.exports.iter().cloned().chain(writable_paths).collect(),
                ..self.clone()
            },
            false => {
                let urls = |locations: &[String]| locations.iter().filter_map(|location| Url::parse(location).ok()).collect();
                let secrets = rights.snapshot.secrets().filter(|(object, _)| rights.may(&secured_object(object), Privilege::Usage));
                // One of the same name in the server's own file is the operator's.
                let secrets = secrets.map(|(object, _)| object.name.clone()).filter(|name| !self.store_secrets.is_told(name)).collect();
                let urls = GrantedUrls { readable: urls(&readable), writable: urls(&writable), secrets };
                // What the server was told is not this role's.
                Self { paths: readable_paths, exports: writable_paths, urls: Some(urls), ..self.clone() }
            }
        }
    }

    /// Fails for what must not be written.
    pub(super) async fn check_export(&self, location: &str) -> Result<()> {
        if local_path(location).is_none() {
            return self.check_url(location, |urls| &urls.writable).await;
        }
        match local_path(location).map(|path| std::path::absolute(path).map(|path| without_dots(&path))) {
            Some(Ok(path)) if !self.is_export(&path) || local_path(location).is_some_and(|path| climbs(&path)) => Err(denied(location, "Start the server with its directory as --export-dir, or GRANT WRITE ON LOCATION.")),
            _ => Ok(()),
        }
    }

    /// Fails for a directory that is somewhere else than it seemed, such as behind a symbolic link.
    pub(super) fn check_export_directory(&self, path: &Path, location: &str) -> Result<()> {
        follow(path, location, |path| self.is_export(path))
    }

    fn is_export(&self, path: &Path) -> bool {
        !self.is_own(path) && self.exports.iter().any(|allowed| path.starts_with(allowed))
    }

    /// Whether a path is the server's own.
    pub(super) fn is_own(&self, path: &Path) -> bool {
        self.own.iter().any(|own| path.starts_with(own)) && !self.told.iter().any(|told| path.starts_with(told))
    }

    /// Fails for what must not even be looked at.
    pub(super) async fn check(&self, location: &str) -> Result<()> {
        if let Some(path) = local_path(location) {
            let absolute = std::path::absolute(&path).map(|path| (without_dots(&until_pattern(&path)), climbs(&path)));
            return match absolute {
                Ok((absolute, false)) if self.has(&absolute) => Ok(()),
                _ => Err(denied(location, "Start the server with its directory as a LOCATION, or GRANT READ ON LOCATION.")),
            };
        }
        self.check_url(location, |urls| &urls.readable).await
    }

    async fn check_url(&self, location: &str, granted: impl Fn(&GrantedUrls) -> &Vec<Url>) -> Result<()> {
        let url = Url::parse(location).map_err(|error| super::error(location, format!("is not a URL: {error}")))?;
        if let Some(urls) = &self.urls
            && !granted(urls).iter().any(|granted| is_below(granted, &url))
            && !engine::secret_of(&url).is_some_and(|secret| urls.secrets.iter().any(|known| known == secret))
        {
            return Err(denied(&shown(&url), "It takes GRANT READ ON LOCATION, or WRITE, for what it is below, or GRANT USAGE ON SECRET."));
        }
        if let Some(endpoint) = engine::secret_of(&url).and_then(|name| self.store_secrets.made_endpoint(name)) {
            self.check_endpoint(&endpoint).await?;
        }
        match url.scheme() {
            "http" | "https" if !self.private_hosts && !is_public(&url).await => {
                Err(denied(&shown(&url), "Its host is not a public one. Start the server with --allow-private-urls."))
            }
            _ => Ok(()),
        }
    }

    /// Fails for the URL of a store that a statement gives, if its host is none that statements may name.
    pub(crate) async fn check_endpoint(&self, endpoint: &str) -> Result<()> {
        let url = Url::parse(endpoint).map_err(|error| super::error(endpoint, format!("is not a URL: {error}")))?;
        match self.private_hosts || is_public(&url).await {
            true => Ok(()),
            false => Err(denied(&shown(&url), "Its host is not a public one. Start the server with --allow-private-urls.")),
        }
    }

    /// Fails for a file or directory that is somewhere else than it seemed, such as behind a symbolic link.
    pub(super) fn check_file(&self, path: &Path, location: &str) -> Result<()> {
        follow(path, location, |path| self.has(path))
    }

    fn has(&self, path: &Path) -> bool {
        !self.is_own(path) && self.paths.iter().any(|allowed| path.starts_with(allowed))
    }
}

/// Whether a URL is `granted` or something below it, with the same secret.
fn is_below(granted: &Url, url: &Url) -> bool {
    let same = |url: &Url| (url.scheme().to_owned(), url.username().to_owned(), url.host_str().map(str::to_owned), url.port());
    let below = || url.path().strip_prefix(granted.path().trim_end_matches('/'));
    same(granted) == same(url) && below().is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How a location is kept that is granted: without what can be written in several ways, and for a path that has symbolic
/// links, where it is at that moment.
pub(crate) fn granted_location(location: &str) -> Result<(String, Option<String>)> {
    if location.contains(['*', '?', '[']) {
        return Err(super::error(location, "is a pattern; grant the directory above"));
    }
    if let Some(path) = local_path(location) {
        let path = std::path::absolute(&path).map_err(|error| super::error(location, super::describe_io(&error)))?;
        let path = without_dots(&path);
        let text = |path: &Path| path.components().collect::<PathBuf>().to_string_lossy().into_owned();
        let real = path.canonicalize().ok().map(|real| text(&real)).filter(|real| *real != text(&path));
        return Ok((text(&path), real));
    }
    let url = Url::parse(location).map_err(|error| super::error(location, format!("is not a URL: {error}")))?;
    super::check_url(&url, location)?;
    Ok((url.as_str().trim_end_matches('/').to_owned(), None))
}

/// Fails if symbolic links lead from `path` to where statements may not go.
fn follow(path: &Path, location: &str, may: impl Fn(&Path) -> bool) -> Result<()> {
    let canonical = path.canonicalize().map_err(|error| super::error(location, super::describe_io(&error)))?;
    match may(&canonical) {
        true => Ok(()),
        false => Err(denied(location, "A symbolic link leads out of what the server was told of.")),
    }
}

/// The path that a location is, if it is one.
pub(super) fn local_path(location: &str) -> Option<PathBuf> {
    match location.contains("://") {
        false => Some(PathBuf::from(location)),
        true => Url::parse(location).ok().filter(|url| url.scheme() == "file").and_then(|url| url.to_file_path().ok()),
    }
}

/// The directories before the first one that is a pattern.
fn until_pattern(path: &Path) -> PathBuf {
    let is_plain = |part: &Component| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    match path.exists() {
        true => path.to_path_buf(),
        false => path.components().take_while(is_plain).collect(),
    }
}

/// Whether `..` follows a pattern.
fn climbs(path: &Path) -> bool {
    let fixed = until_pattern(path).components().count();
    path.components().skip(fixed).any(|part| part == Component::ParentDir)
}

/// A path whose `..` are gone, without a look at the file system.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Whether all addresses of the URL's host are reachable for everybody.
async fn is_public(url: &Url) -> bool {
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Ipv4(address)) => is_public_address(address.into()),
        Some(Host::Ipv6(address)) => is_public_address(address.into()),
        Some(Host::Domain(name)) => match tokio::net::lookup_host((name, port)).await {
            Ok(addresses) => addresses.map(|address| address.ip()).all(is_public_address),
            Err(_) => false,
        },
        None => false,
    }
}

fn is_public_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // 0.0.0.0/8 is this machine, 100.64.0.0/10 a carrier's own network.
            let is_shared = first == 0 || (first == 100 && (64..128).contains(&second));
            !(is_shared || address.is_loopback() || address.is_link_local() || address.is_private() || address.is_broadcast())
        }
        IpAddr::V6(address) => {
            // Within these a version 4 address is meant: ::/96 and 64:ff9b::/96.
            let [a, b, c, d, e, f, ..] = address.segments();
            let is_embedded = [a, b, c, d, e, f] == [0; 6] || [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0];
            !(is_embedded || address.is_loopback() || address.is_unicast_link_local() || address.is_unique_local() || address.is_unspecified())
        }
    }
}

fn denied(location: &str, hint: &str) -> Error {
    Error::Classified {
        sql_state: SqlState::INSUFFICIENT_PRIVILEGE,
        message: format!("permission denied for location \"{location}\""),
        detail: None,
        hint: Some(hint.to_owned()),
        position: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_in_a_location_of_the_server_may_be_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let (lake, other) = (directory.path().join("lake"), directory.path().join("other"));
        std::fs::create_dir_all(&lake).expect("created");
        std::fs::create_dir_all(&other).expect("created");
        std::fs::write(other.join("secret.csv"), "a\n1\n").expect("written");
        std::os::unix::fs::symlink(&other, lake.join("link")).expect("linked");
        let own = lake.join("own");
        let rules = LocationRules::new(&[lake.display().to_string()], &[], &[own], false);
        let path = |below: &str| format!("{}/{below}", lake.display());
        for allowed in ["x.csv", "a/../x.csv", "*.csv", "a/b/*/c.parquet"] {
            assert!(rules.check(&path(allowed)).await.is_ok(), "{allowed}");
        }
        for denied in ["own/catalog.sqlite", "x/../own/y", "../other/secret.csv", "a/../../other/secret.csv", "*/../../other/secret.csv"] {
            assert!(rules.check(&path(denied)).await.is_err(), "{denied}");
        }
        for denied in ["/etc/passwd", "file:///etc/passwd", "file:///lake/%2e%2e/etc/passwd", "http://127.0.0.1/x", "http://[::1]/x"] {
            assert!(rules.check(denied).await.is_err(), "{denied}");
        }
        for denied in ["http://169.254.169.254/latest/meta-data", "http://localhost:9000/x", "http://[::ffff:127.0.0.1]/x", "http://0/x", "http://0.1.2.3/x", "http://100.64.0.1/x", "http://[::127.0.0.1]/x"] {
            assert!(rules.check(denied).await.is_err(), "{denied}");
        }
        assert!(rules.check_file(&lake.join("link/secret.csv"), "link").is_err());
        assert!(rules.check("s3://bucket/x").await.is_ok() && rules.check("https://8.8.8.8/x").await.is_ok());
    }
}
