import Foundation
import MQTTSource
import Support
import Testing

/// A broker that sends nonsense: the session ends or goes on, and the next one works.
@Suite(.enabled(if: Repository.shared("data/bad-input") != nil, "../shared is not here"))
struct HostileBrokerTests {
    private struct Sequence: Decodable {
        struct Step: Decodable {
            var dir: String
            var b64: String?
        }

        var id: String
        var roleUnderTest: String
        var connectFirst: Bool
        var steps: [Step]

        /// What the broker sends, all of it.
        var bytes: [UInt8] {
            steps.filter { $0.dir == "send" }.flatMap {
                Array(Data(base64Encoded: $0.b64 ?? "") ?? Data())
            }
        }
    }

    private func sequences() throws -> [Sequence] {
        let url = try #require(Repository.shared("data/bad-input/mqtt-packets.jsonl.gz"))
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try Repository.lines(of: url).map {
            try decoder.decode(Sequence.self, from: $0)
        }
    }

    private static let connack: [UInt8] = [0x20, 0x02, 0x00, 0x00]

    /// A session that reads everything a broker sends until the broker hangs up.
    /// - Returns: the payloads that arrived, or nil when it did not end in time.
    private func converse(_ broker: FakeBroker, _ bytes: [UInt8]) throws -> [String]? {
        let session = try BrokerSession(
            BrokerAddress(
                host: "127.0.0.1",
                port: broker.port,
                clientID: "gateway",
                receiveMaximum: 1_000
            )
        )
        var payloads: [String] = []
        session.onPublish { publish in
            payloads.append(String(decoding: publish.payload, as: UTF8.self))
        }
        try session.connect()
        broker.accept()
        _ = session.flush()
        broker.send(bytes)
        broker.finish()
        for _ in 0..<10_000 {
            let ready = session.wait(milliseconds: 1_000, wake: -1, isReading: true)
            guard ready.isReadable else { return nil }
            if session.read(until: { false }) == .lost { return payloads }
            _ = try? session.takeConnectResult()
        }
        return nil
    }

    @Test func nothingABrokerSendsCrashesOrHangsUs() throws {
        let good: [UInt8] =
            [0x32, 26, 0, 20] + Array("vehicles/v/telemetry".utf8) + [0, 9, 123, 125]
        let broker = FakeBroker()
        var tried = 0
        for sequence in try sequences() where sequence.roleUnderTest == "client" {
            tried += 1
            let greeting = sequence.connectFirst ? Self.connack : []
            let ended = try converse(broker, greeting + sequence.bytes)
            #expect(ended != nil, "\(sequence.id) does not end")
            if tried.isMultiple(of: 100) {
                // And the next good message is taken.
                #expect(try converse(broker, Self.connack + good) == ["{}"], "\(sequence.id)")
            }
        }
        #expect(tried == 1_523)
    }
}
