import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Waits for a condition, and says what it saw when the deadline passes.
package func eventually<Value>(
    _ what: String,
    within seconds: Double = 180,
    _ probe: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if let value = try await probe() { return value }
        // Not synchronisation: only leaves the processor to what is waited for.
        try await Task.sleep(for: .milliseconds(10))
    }
    throw TimedOut(what: what)
}

package struct TimedOut: Error, CustomStringConvertible {
    package var what: String
    package var description: String { "never seen: \(what)" }
}

/// A port nobody listens on.
package func freePort() -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            _ = bind(descriptor, $0, size)
            getsockname(descriptor, $0, &size)
        }
        return Int(UInt16(bigEndian: pointer.pointee.sin_port))
    }
}

/// A program that runs beside the test.
package final class RunningProcess: @unchecked Sendable {
    // Guard: `Process` and the output are touched by the one test that owns them.
    private let process = Process()
    private let outputPath: String

    package init(
        _ executable: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        folder: ScratchFolder
    ) throws {
        outputPath = folder.path("output-\(UUID().uuidString).log")
        _ = FileManager.default.createFile(atPath: outputPath, contents: nil)
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let handle = FileHandle(forWritingAtPath: outputPath)
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    package var isRunning: Bool { process.isRunning }
    package var output: String {
        (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? ""
    }

    package func signal(_ number: Int32) {
        kill(process.processIdentifier, number)
    }

    /// The exit code, once it has ended.
    package func exit(within seconds: Double = 180) async throws -> Int32 {
        _ = try await eventually(
            "the end of \(process.arguments ?? [])\n\(output)",
            within: seconds
        ) { process.isRunning ? nil : true }
        return process.terminationStatus
    }
}

/// A real mosquitto on a port of its own.
package struct BrokerProcess {
    package let port: Int
    package let process: RunningProcess

    package init(folder: ScratchFolder, port: Int = freePort()) throws {
        self.port = port
        let configuration = try folder.write(
            "mosquitto.conf",
            """
            listener \(port) 127.0.0.1
            allow_anonymous true
            persistence false
            max_inflight_messages 1000
            max_queued_messages 1000000
            """
        )
        process = try RunningProcess(
            "/usr/sbin/mosquitto",
            ["-c", configuration],
            folder: folder
        )
    }

    /// Publishes lines at QoS 1; ends when the broker has acknowledged all of them.
    package func publish(
        _ topic: String,
        lines path: String,
        folder: ScratchFolder
    ) throws -> RunningProcess {
        try RunningProcess(
            "/bin/sh",
            [
                "-c",
                "exec mosquitto_pub -V mqttv5 -h 127.0.0.1 -p \(port) -q 1 -t '\(topic)' -l < '\(path)'",
            ],
            folder: folder
        )
    }
}

/// A real gateway with a store, a page and a broker of its own.
package final class GatewayProcess: Sendable {
    package let process: RunningProcess
    package let web: Int
    package let broker: Int
    package let storePath: String

    /// Starts it; without the port of an external broker it brings its own.
    ///
    /// `environment` are more settings.
    package init(
        folder: ScratchFolder,
        broker external: Int? = nil,
        web port: Int? = nil,
        config: String = Repository.config,
        environment: [String: String] = [:]
    ) throws {
        web = port ?? freePort()
        broker = external ?? freePort()
        storePath = folder.path("gateway.sqlite")
        process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", config],
            environment: [
                "GATEWAY_STORE_PATH": storePath, "GATEWAY_WEB_PORT": "\(web)",
                "GATEWAY_BROKER_PORT": "\(broker)",
                "GATEWAY_BROKER_MODE": external == nil ? "embedded" : "external",
                "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
            ].merging(environment) { $1 },
            folder: folder
        )
    }

    private init(process: RunningProcess, web: Int, broker: Int, storePath: String) {
        self.process = process
        self.web = web
        self.broker = broker
        self.storePath = storePath
    }

    /// A gateway the test started itself, with arguments of its own.
    package static func attached(
        to process: RunningProcess,
        web: Int,
        broker: Int,
        _ folder: ScratchFolder
    ) throws -> GatewayProcess {
        GatewayProcess(
            process: process,
            web: web,
            broker: broker,
            storePath: folder.path("gateway.sqlite")
        )
    }

    package struct Answer: Sendable {
        package var status: Int
        package var headers: [String: String]
        package var body: String
    }

    /// One request to the gateway's own port.
    package func request(
        _ method: String = "GET",
        _ path: String,
        headers: [String: String] = [:],
        body: String? = nil
    ) async throws -> Answer {
        guard let url = URL(string: "http://127.0.0.1:\(web)\(path)") else {
            throw TimedOut(what: path)
        }
        var request = URLRequest(url: url)
        request.httpMethod = method
        request.timeoutInterval = 20
        // Every POST is one of its own, unless the test says which.
        if method == "POST" {
            request.setValue(UUID().uuidString, forHTTPHeaderField: "Idempotency-Key")
        }
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        request.httpBody = body.map { Data($0.utf8) }
        let session = URLSession(
            configuration: .ephemeral,
            delegate: KeepRedirects(),
            delegateQueue: nil
        )
        defer { session.finishTasksAndInvalidate() }
        let (data, response) = try await session.data(for: request)
        let http = response as? HTTPURLResponse
        var fields: [String: String] = [:]
        for (name, value) in http?.allHeaderFields ?? [:] {
            fields["\(name)".lowercased()] = "\(value)"
        }
        return Answer(
            status: http?.statusCode ?? 0,
            headers: fields,
            body: String(decoding: data, as: UTF8.self)
        )
    }

    /// Shows redirects to the test instead of following them.
    private final class KeepRedirects: NSObject, URLSessionTaskDelegate, Sendable {
        func urlSession(
            _ session: URLSession,
            task: URLSessionTask,
            willPerformHTTPRedirection response: HTTPURLResponse,
            newRequest request: URLRequest,
            completionHandler: @escaping @Sendable (URLRequest?) -> Void
        ) {
            completionHandler(nil)
        }
    }

    /// Publishes one message at QoS 1 as a sender would, with mosquitto's own client.
    package func publish(_ payload: String, to topic: String, folder: ScratchFolder) async throws {
        let publisher = try RunningProcess(
            "/usr/bin/mosquitto_pub",
            [
                "-V", "mqttv5", "-h", "127.0.0.1", "-p", "\(broker)", "-q", "1", "-t", topic, "-m",
                payload,
            ],
            folder: folder
        )
        guard try await publisher.exit() == 0 else { throw TimedOut(what: publisher.output) }
    }

    /// Waits until readings flow.
    package func ready() async throws {
        _ = try await eventually("a ready gateway:\n\(process.output)") {
            guard process.isRunning else { throw TimedOut(what: process.output) }
            return try? await request("GET", "/readyz").status == 200 ? true : nil
        }
    }

    /// A counter or gauge of /metrics; nil while the gateway does not answer.
    package func metric(_ name: String) async -> Int? {
        guard let text = try? await request("GET", "/metrics").body else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(name + " ") {
            return Int(line.dropFirst(name.count + 1))
        }
        return nil
    }
}
