import Foundation
import Glibc
import Logging
import Synchronization
import Threads

/// A broker that cannot be started.
package struct EmbeddedBrokerError: Error, CustomStringConvertible {
    package var description: String
}

/// Our own mosquitto: started, watched, started again when it dies, stopped with us.
///
/// The kernel stops it when we die however we die (`PR_SET_PDEATHSIG` by `setpriv`), so that the
/// next gateway finds its port free and its sessions on disk.
/// Isolation: the child belongs to one thread; its death would be reported to that thread's end.
final class EmbeddedBroker: Sendable {
    private struct State {
        var process: pid_t = 0
        var isStopping = false
    }

    /// How long the port may stay taken by a broker that is just stopping.
    private static let portWaitMilliseconds = 5_000
    private static let stepMilliseconds: Int32 = 20
    /// How long a broker may take to write its queues when it stops.
    private static let stopMilliseconds = 30_000

    private let host: String
    private let port: Int
    private let folder: String
    private let logger: Logger
    private let state = Mutex(State())
    private let thread = Mutex<DedicatedThread?>(nil)

    init(host: String, port: Int, folder: String, logger: Logger) {
        self.host = host
        self.port = port
        self.folder = folder
        self.logger = logger
    }

    /// Writes the configuration and starts the process; returns when it takes connections.
    func start(configuration: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        guard var text = try? String(contentsOfFile: configuration, encoding: .utf8) else {
            throw EmbeddedBrokerError(description: "\(configuration) cannot be read")
        }
        text += "\nlistener \(port) \(host)\npersistence_location \(folder)/\n"
        // Started as root, mosquitto would become a user who cannot write our folder.
        if getuid() == 0 { text += "user root\n" }
        let path = "\(folder)/mosquitto.effective.conf"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        var waited = 0
        while isListening() {
            guard waited < EmbeddedBroker.portWaitMilliseconds else {
                throw EmbeddedBrokerError(
                    description: "port \(port) on \(host) is taken by another program; set "
                        + "broker.port (GATEWAY_BROKER_PORT), or broker.mode: external to use it"
                )
            }
            waited += pause()
        }
        let started = Reply<String?>()
        let thread = DedicatedThread(name: "broker") { [self] in supervise(path, started) }
        self.thread.withLock { $0 = thread }
        if let problem = started.receive(waitingMilliseconds: 20_000) ?? "it does not start" {
            stop()
            throw EmbeddedBrokerError(
                description: "the embedded mosquitto: \(problem); see \(folder)/mosquitto.log"
            )
        }
    }

    /// Asks the broker to save and end, and waits for it.
    func stop() {
        let process = state.withLock { state in
            state.isStopping = true
            return state.process
        }
        if process > 0 { kill(process, SIGTERM) }
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        running?.join()
    }

    // MARK: The thread

    private func supervise(_ configuration: String, _ started: Reply<String?>) {
        var isFirst = true
        var pauses = 1
        while !state.withLock({ $0.isStopping }) {
            let process = spawn(configuration)
            guard process > 0 else {
                started.send("mosquitto or setpriv is not installed")
                return
            }
            state.withLock { $0.process = process }
            var waited = 0
            while !isListening(), waited < 10_000, kill(process, 0) == 0, !hasEnded(process) {
                waited += pause()
            }
            if isFirst {
                guard isListening() else {
                    started.send("it ended at once")
                    return
                }
                started.send(nil)
                isFirst = false
                logger.info(
                    "embedded broker listens",
                    metadata: ["broker": "\(host):\(port)", "process": "\(process)"]
                )
            }
            waitForEnd(of: process)
            state.withLock { $0.process = 0 }
            if !state.withLock({ $0.isStopping }) {
                logger.error("the embedded broker ended; starting it again")
                // Twice as long each time, up to some ten seconds; a stop is noticed in between.
                for _ in 0..<pauses where !state.withLock({ $0.isStopping }) { _ = pause() }
                pauses = min(pauses * 2, 512)
            }
        }
    }

    private func spawn(_ configuration: String) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(
            &actions,
            1,
            "\(folder)/mosquitto.log",
            O_WRONLY | O_CREAT | O_APPEND,
            0o600
        )
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // A group of its own, so that Ctrl-C reaches the broker after us; and no blocked signals,
        // which it would inherit from this thread.
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK)
        )
        let words = ["setpriv", "--pdeathsig", "TERM", "mosquitto", "-c", configuration]
        var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        defer { for index in words.indices { unsafe free(arguments[index]) } }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        // Debian keeps mosquitto in /usr/sbin, which ordinary users' PATH leaves out.
        let environment = "PATH=\(path):/usr/sbin:/sbin"
        var variables: [UnsafeMutablePointer<CChar>?] = unsafe [strdup(environment), nil]
        defer { unsafe free(variables[0]) }
        var process: pid_t = 0
        let code = unsafe posix_spawnp(
            &process,
            "setpriv",
            &actions,
            &attributes,
            &arguments,
            &variables
        )
        return code == 0 ? process : 0
    }

    private func hasEnded(_ process: pid_t) -> Bool {
        var information = unsafe siginfo_t()
        _ = unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOHANG | WNOWAIT)
        return unsafe information.si_signo != 0
    }

    /// Waits for the child; one that will not stop is killed.
    private func waitForEnd(of process: pid_t) {
        var status: Int32 = 0
        var stopping = 0
        while unsafe waitpid(process, &status, WNOHANG) == 0 {
            let waited = pause()
            if state.withLock({ $0.isStopping }) { stopping += waited }
            if stopping > EmbeddedBroker.stopMilliseconds { kill(process, SIGKILL) }
        }
    }

    private func isListening() -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        unsafe inet_pton(AF_INET, host == "localhost" ? "127.0.0.1" : host, &address.sin_addr)
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, size) == 0
            }
        }
    }

    private func pause() -> Int {
        poll(nil, 0, EmbeddedBroker.stepMilliseconds)
        return Int(EmbeddedBroker.stepMilliseconds)
    }
}
