import Crypto
import Foundation
import Support
import Testing

/// What programs hear of, read by the CloudEvents SDK for Python, which is not of this house.
@Suite(.serialized)
struct EventTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    /// What `Tests/CloudEvents/reader.py` prints of an event.
    private struct Read: Decodable, Equatable {
        struct Body: Decodable, Equatable {
            var id: Int
            var type: String
            var at: String
            var record: Int
            var state: String
        }

        var specversion: String
        var id: String
        var source: String
        var type: String
        var subject: String
        var seconds: Double
        var datacontenttype: String
        var data: Body
    }

    /// The SDK's Python, made once beside the build; nil where PyPI cannot be had.
    private static let reader = Task<String?, Never> {
        let venv = Repository.root.appendingPathComponent(".build/cloudevents").path
        let python = "\(venv)/bin/python"
        let script = """
            '\(python)' -c 'import cloudevents.core' 2>/dev/null || {
                python3 -m venv '\(venv)' &&
                '\(python)' -m pip install --quiet --retries 1 --timeout 15 'cloudevents==2.*'
            }
            """
        guard let folder = try? ScratchFolder(),
            let process = try? RunningProcess("/bin/sh", ["-c", script], folder: folder),
            (try? await process.exit()) == 0
        else { return nil }
        return python
    }

    private func read(_ deliveries: [String]) async throws -> [Read] {
        let input = try folder.write(
            "deliveries-\(UUID().uuidString).jsonl",
            deliveries.joined(separator: "\n") + "\n"
        )
        let script = Repository.root.appendingPathComponent("Tests/CloudEvents/reader.py").path
        let python = try #require(await EventTests.reader.value)
        let process = try RunningProcess(python, [script, input], folder: folder)
        #expect(try await process.exit() == 0, "\(process.output)")
        return try process.output.split(separator: "\n").map {
            try JSONDecoder().decode(Read.self, from: Data($0.utf8))
        }
    }

    private static func line(_ fields: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(fields), as: UTF8.self)
    }

    /// `topic retained qos payload` of every message a durable session of MQTT was given.
    private func listen(
        _ topic: String,
        port: Int,
        user: String? = nil
    ) async throws -> RunningProcess {
        let login = user.map { ["-u", $0, "-P", "secret"] } ?? []
        let session =
            ["-h", "127.0.0.1", "-p", "\(port)", "-q", "1", "-c", "-i", "program-\(user ?? "")"]
            + login + ["-t", topic]
        // The session is there before anything happens: what is published waits in it.
        _ = try await eventually("a session") {
            let first = try RunningProcess(
                "/usr/bin/mosquitto_sub",
                session + ["-E"],
                folder: folder
            )
            return try await first.exit() == 0 ? true : nil
        }
        return try RunningProcess(
            "/usr/bin/mosquitto_sub",
            session + ["-F", "%t %r %q %p"],
            folder: folder
        )
    }

    private func heard(_ listener: RunningProcess) -> [(head: String, payload: String)] {
        listener.output.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 3)
            guard parts.count == 4 else { return nil }
            return ("\(parts[0]) \(parts[1]) \(parts[2])", String(parts[3]))
        }
    }

    @Test(
        .enabled("PyPI's cloudevents cannot be had, as pip is missing or offline") {
            await EventTests.reader.value != nil
        }
    )
    func aReaderOfOthersReadsAWebhookAndAMessage() async throws {
        let wall = Int(Date().timeIntervalSince1970 * 1_000)
        let begin = wall - 86_400_000
        let (web, broker) = (freePort(), freePort())
        // A minute passes in a second, so that readings wait two seconds to be sorted.
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", Repository.config, "--catch-up", "\(begin),\(wall),60"],
            environment: [
                "GATEWAY_STORE_PATH": folder.path("gateway.sqlite"), "GATEWAY_WEB_PORT": "\(web)",
                "GATEWAY_BROKER_PORT": "\(broker)", "GATEWAY_EVENTS_MQTT": "cloudevents",
                "GATEWAY_EVENTS_SOURCE": "https://gateway.example.org/su-zhou",
                "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
            ],
            folder: folder
        )
        let gateway = try GatewayProcess.attached(to: process, web: web, broker: broker, folder)
        try await gateway.ready()
        let program = WebhookProgram()
        let server = Task { try await program.run() }
        defer { server.cancel() }
        let port = try await eventually("the program") { program.boundPort }
        let made = try await gateway.request(
            "POST",
            "/api/v1/webhooks",
            body: """
                {"url":"http://127.0.0.1:\(port)/told","events":["alert.*","suggestion.*"],
                "format":"cloudevents"}
                """
        )
        #expect(made.status == 201 && made.body.contains("\"format\":\"cloudevents\""))
        let listener = try await listen("vehicles/+/events/#", port: broker)
        func time(_ seconds: Double) -> String {
            ISO8601DateFormatter().string(
                from: Date(timeIntervalSince1970: Double(begin) / 1_000 + seconds)
            )
        }
        let overdue = try RunningProcess(
            "/usr/bin/mosquitto_pub",
            [
                "-h", "127.0.0.1", "-p", "\(broker)", "-q", "1", "-t", "vehicles/v1/telemetry",
                "-m", Fixtures.overduePayload(from: time(200), to: time(300)),
            ],
            folder: folder
        )
        #expect(try await overdue.exit() == 0)

        // An alert and its suggestion; the first delivery was refused and came again.
        let told = try await eventually("three deliveries:\n\(process.output)") {
            program.deliveries.count >= 3 ? program.deliveries : nil
        }
        #expect(told[0].body == told[1].body)
        let types = Set(told.map { $0.headers["content-type"] })
        #expect(types == ["application/cloudevents+json; charset=utf-8"])
        let secret = try #require(made.body.firstMatch(of: /"whsec_([^"]+)"/)?.output.1)
        let key = try #require(Data(base64Encoded: String(secret).replacing("\\/", with: "/")))
        for delivery in told {
            let id = try #require(delivery.headers["webhook-id"])
            let sent = try #require(delivery.headers["webhook-timestamp"])
            let code = HMAC<SHA256>.authenticationCode(
                for: Data("\(id).\(sent).\(delivery.body)".utf8),
                using: SymmetricKey(data: key)
            )
            let signature = "v1,\(Data(code).base64EncodedString())"
            #expect(delivery.headers["webhook-signature"] == signature)
        }
        let overHTTP = try await read(told.map { try Self.line($0) })
        #expect(overHTTP[0] == overHTTP[1])
        let first = try #require(overHTTP.first)
        #expect(first.specversion == "1.0" && first.datacontenttype == "application/json")
        #expect(first.source == "https://gateway.example.org/su-zhou")
        #expect(first.type == "internal.telematics-gateway.\(first.data.type)")
        #expect(first.subject == "alert/1" && first.data.record == 1)
        let second = "\(first.data.at.prefix(19))Z"
        let at = try #require(ISO8601DateFormatter().date(from: second))
        #expect(at.timeIntervalSince1970 == first.seconds.rounded(.down))

        // Over MQTT the same events, under the same ids.
        let messages = try await eventually("the same over MQTT:\n\(process.output)") {
            let messages = heard(listener)
            return messages.count >= overHTTP.count - 1 ? messages : nil
        }
        #expect(messages.first?.head == "vehicles/v1/events/alert 0 1")
        let overMQTT = try await read(messages.map { try Self.line(["body": $0.payload]) })
        #expect(overHTTP.dropFirst().allSatisfy { overMQTT.contains($0) })
        #expect(Set(overMQTT.map(\.id)).count == overMQTT.count)
        process.signal(SIGTERM)
        #expect(try await process.exit() == 0)
    }

    /// Committed while no broker was there, and then the gateway is killed: told by the next one.
    @Test func whatWasCommittedBeforeAKillIsTold() async throws {
        let environment = ["GATEWAY_EVENTS_MQTT": "gateway"]
        let port = freePort()
        let killed = try GatewayProcess(folder: folder, broker: port, environment: environment)
        let start = ISO8601DateFormatter().string(from: Date(timeIntervalSinceNow: 86_400))
        let visit = try await eventually("a visit:\n\(killed.process.output)") {
            let put = try? await killed.request("PUT", "/api/v1/vehicles/v1", body: "{}")
            guard put?.status == 200 else { return nil as String? }
            let answer = try await killed.request(
                "POST",
                "/api/v1/appointments",
                body: """
                    {"vehicle":"v1","jobs":["battery_test"],"station":"su-zhou-1",
                    "start":"\(start)"}
                    """
            )
            return answer.body
        }
        #expect(visit.contains("\"vehicle\":\"v1\""), "\(visit)")
        killed.process.signal(SIGKILL)
        _ = try await killed.process.exit()

        let broker = try BrokerProcess(folder: folder, port: port)
        let listener = try await listen("vehicles/v1/events/#", port: port)
        let next = try GatewayProcess(folder: folder, broker: port, environment: environment)
        let messages = try await eventually("the visit:\n\(next.process.output)") {
            let messages = heard(listener)
            return messages.contains { $0.head.contains("/appointment ") } ? messages : nil
        }
        let about = messages.map { $0.head.split(separator: " ")[0] }
        #expect(about == ["vehicles/v1/events/vehicle", "vehicles/v1/events/appointment"])
        #expect(messages[1].payload.contains("\"record\":1,"))
        next.process.signal(SIGTERM)
        #expect(try await next.process.exit() == 0)
        broker.process.signal(SIGTERM)
    }

    /// By the access list that `gateway broker-config` writes.
    @Test func eventsAreReadByProgramsAndWrittenByTheGatewayOnly() async throws {
        let port = freePort()
        let made = try RunningProcess(
            Repository.product("gateway").path,
            [
                "broker-config", "--host", "h", "--event-reader", "crm", "--out",
                folder.path("site"),
            ],
            folder: folder
        )
        #expect(try await made.exit() == 0, "\(made.output)")
        let passwords = try folder.write("passwd", "")
        for user in ["gateway", "crm", "v1", "v2"] {
            let added = try RunningProcess(
                "/usr/bin/mosquitto_passwd",
                ["-b", passwords, user, "secret"],
                folder: folder
            )
            #expect(try await added.exit() == 0, "\(added.output)")
        }
        let configuration = try folder.write(
            "site.conf",
            """
            listener \(port) 127.0.0.1
            allow_anonymous false
            password_file \(passwords)
            acl_file \(folder.path("site/acl"))
            user root
            """
        )
        let broker = try RunningProcess(
            "/usr/sbin/mosquitto",
            ["-c", configuration],
            folder: folder
        )
        let crm = try await listen("vehicles/+/events/#", port: port, user: "crm")
        let own = try await listen("vehicles/v1/#", port: port, user: "v1")
        for (user, topic, text) in [
            ("gateway", "vehicles/v1/events/alert", "true"),
            ("v1", "vehicles/v1/events/alert", "forged"),
            ("v2", "vehicles/v1/events/alert", "forged"),
            ("crm", "vehicles/v1/events/alert", "forged"),
            ("gateway", "vehicles/v1/events/alert", "last"),
            ("gateway", "vehicles/v1/committed", "mine"),
        ] {
            let sent = try RunningProcess(
                "/usr/bin/mosquitto_pub",
                [
                    "-h", "127.0.0.1", "-p", "\(port)", "-q", "1", "-u", user, "-P", "secret",
                    "-t", topic, "-m", text,
                ],
                folder: folder
            )
            #expect(try await sent.exit() == 0)
        }
        _ = try await eventually("the last event") {
            heard(crm).last?.payload == "last" ? true : nil
        }
        #expect(heard(crm).map(\.payload) == ["true", "last"])
        _ = try await eventually("the vehicle's own") { heard(own).isEmpty ? nil : true }
        #expect(heard(own).map(\.payload) == ["mine"])
        broker.signal(SIGTERM)
    }
}
