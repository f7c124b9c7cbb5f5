//! The executor as a process of its own: not yet.

fn main() -> std::process::ExitCode {
    eprintln!("the executor does not run as a process of its own yet; `arbalest serve` has one inside");
    std::process::ExitCode::FAILURE
}
