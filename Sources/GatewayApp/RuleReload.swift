import CoreLoop
import GatewayCore
import Logging
import Rules
import ServiceLifecycle
import Synchronization
import Threads
import UnixSignals

/// Rules read anew while the gateway runs; a bad file leaves the last good version in force.
final class RuleReload: Sendable {
    private let assembly: Mutex<Assembly>
    private let core: CoreLoop
    private let logger: Logger

    init(_ assembly: Assembly, core: CoreLoop, logger: Logger) {
        self.assembly = Mutex(assembly)
        self.core = core
        self.logger = logger
    }

    var rules: [Rule] { assembly.withLock { $0.rules } }

    /// Reads the files and puts them in force.
    /// - Throws: `ConfigError` with file and line, or the core's `Problem`; nothing has changed then.
    func run(by actor: Actor) async throws -> Answer {
        let current = assembly.withLock { $0 }
        // Files are read on a thread of their own, not on the pool.
        let read: Result<Assembly, any Error> = await withCheckedContinuation { continuation in
            _ = DedicatedThread(name: "rules") {
                continuation.resume(
                    returning: Result {
                        var next = current
                        try next.loadRules()
                        return next
                    }
                )
            }
        }
        do {
            let next = try read.get()
            let set = RuleSet(rules: next.rules, limits: next.limits)
            let answer = try await core.submit(.reload(set, by: actor)).get()
            assembly.withLock { $0 = next }
            logger.notice("rules reloaded", metadata: ["answer": "\(answer)"])
            return answer
        } catch {
            logger.error(
                "rules not reloaded; the last good ones stay in force",
                metadata: ["error": "\(error)"]
            )
            throw error
        }
    }
}

/// SIGHUP reloads the rules.
struct ReloadOnSignal: Service {
    let reload: RuleReload

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            // What is wrong is in the log.
            _ = try? await reload.run(by: Actor("signal", .admin))
        }
    }
}
