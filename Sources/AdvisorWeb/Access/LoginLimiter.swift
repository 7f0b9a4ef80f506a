import Synchronization
import Telemetry

/// Slows down whoever guesses passwords: by name and address, and by address alone.
///
/// In memory only: a restart forgives, and nobody can fill the store with guesses.
final class LoginLimiter: Sendable {
    private struct Failures {
        var count: Int
        var since: Timestamp
    }

    private struct State {
        var failures: [String: Failures] = [:]
        var checks = 0
    }

    /// Failures after which a name at an address, or an address, has to wait.
    private static let triesPerName = 5
    private static let triesPerAddress = 20
    /// How long failures count.
    private static let window = Milliseconds.minutes(15)

    private let state = Mutex(State())

    /// How long this one has to wait; nil when it may try.
    func wait(_ name: String, _ address: String, now: Timestamp) -> Milliseconds? {
        state.withLock { state in
            let waits = LoginLimiter.keys(name, address).compactMap { key, limit in
                state.failures[key].flatMap { failures -> Milliseconds? in
                    let end = failures.since + LoginLimiter.window
                    return failures.count >= limit && end > now ? end - now : nil
                }
            }
            return waits.max()
        }
    }

    func noteFailure(_ name: String, _ address: String, now: Timestamp) {
        state.withLock { state in
            if state.failures.count >= Limits.loginFailuresMax {
                state.failures = state.failures.filter { $1.since + LoginLimiter.window > now }
            }
            for (key, _) in LoginLimiter.keys(name, address) {
                var failures = state.failures[key] ?? Failures(count: 0, since: now)
                if failures.since + LoginLimiter.window <= now {
                    failures = Failures(count: 0, since: now)
                }
                failures.count += 1
                guard state.failures[key] != nil || state.failures.count < Limits.loginFailuresMax
                else { continue }
                state.failures[key] = failures
            }
        }
    }

    func noteSuccess(_ name: String, _ address: String) {
        state.withLock { $0.failures[LoginLimiter.keys(name, address)[0].key] = nil }
    }

    /// Takes one of the few places for a password check, which costs time and memory on purpose.
    func beginCheck() -> Bool {
        state.withLock { state in
            guard state.checks < Limits.passwordChecksMax else { return false }
            state.checks += 1
            return true
        }
    }

    func endCheck() {
        state.withLock { $0.checks -= 1 }
    }

    private static func keys(_ name: String, _ address: String) -> [(key: String, limit: Int)] {
        [("\(address) \(name.lowercased())", triesPerName), (address, triesPerAddress)]
    }
}
