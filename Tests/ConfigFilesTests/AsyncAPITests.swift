import Foundation
import GatewayApp
import GatewayCore
import MQTTSource
import Support
import Telemetry
import Testing
import Yams

/// `config/asyncapi.yaml` says what the code does.
struct AsyncAPITests {
    private func examples(_ message: String) throws -> [String] {
        let path = Repository.root.appendingPathComponent("config/asyncapi.yaml").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let root = try #require(try Yams.load(yaml: text) as? [String: Any])
        let components = try #require(root["components"] as? [String: Any])
        let messages = try #require(components["messages"] as? [String: [String: Any]])
        let found = try #require(messages[message]?["examples"] as? [[String: Any]])
        return try found.map { example in
            let payload = try #require(example["payload"])
            let data = try JSONSerialization.data(withJSONObject: payload)
            return String(decoding: data, as: UTF8.self)
        }
    }

    private func address(_ channel: String) throws -> String {
        let path = Repository.root.appendingPathComponent("config/asyncapi.yaml").path
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let root = try #require(try Yams.load(yaml: text) as? [String: Any])
        let channels = try #require(root["channels"] as? [String: [String: Any]])
        return try #require(channels[channel]?["address"] as? String)
    }

    @Test func theTopicsAreTheOnesSubscribedTo() throws {
        let filters = MQTTSource.native
        for channel in ["telemetry", "profile"] {
            let filter = try address(channel).replacing("{vehicle}", with: "+")
            #expect(filters.contains(filter))
        }
    }

    /// What programs are told is the examples, byte for byte but for the order of keys.
    @Test(arguments: [(EventFormat.gateway, "event"), (.cloudEvents, "cloudEvent")])
    func anEventIsToldAsTheExampleSays(format: EventFormat, message: String) throws {
        let event = ProgramEvent(
            id: 4_182,
            machine: "alert",
            event: "held",
            at: Fixtures.start,
            record: 17,
            state: "open",
            hash: "0123456789abcdef" + String(repeating: "7", count: 48)
        )
        let body = try event.body(as: format, source: "/gateway")
        let said = try JSONSerialization.jsonObject(with: body)
        let example = try JSONSerialization.jsonObject(
            with: Data(#require(examples(message).first).utf8)
        )
        #expect(said as? NSDictionary == example as? NSDictionary)
        let topic = try address("events").replacing("{vehicle}", with: "v1")
        #expect(topic.replacing("{record}", with: "alert") == event.topic(of: "v1"))
    }

    /// Every example is taken in without a rejection, and the last packet's confirmation is the
    /// example of `committed`.
    @Test func theExamplesAreTakenInAndConfirmed() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        var confirmations: [GatewayCore.Confirmation] = []
        for message in ["profile", "packet"] {
            let channel = message == "packet" ? "telemetry" : message
            let topic = try address(channel).replacing("{vehicle}", with: "v1")
            for payload in try examples(message) {
                let batch = Fixtures.batch([(topic, payload, Fixtures.start)])
                let unit = gateway.step(.packets(batch), now: Fixtures.start)
                #expect(unit.deadLetters.map(\.rejection) == [], "\(payload)")
                confirmations += unit.confirmations.map { gateway.confirmation($0) }
            }
        }
        let last = try #require(confirmations.last)
        let said = try JSONSerialization.jsonObject(with: Data(MQTTSource.payload(of: last).utf8))
        let example = try JSONSerialization.jsonObject(
            with: Data(#require(examples("committed").first).utf8)
        )
        #expect(said as? NSDictionary == example as? NSDictionary)
        #expect(
            try address("committed").replacing("{vehicle}", with: "v1")
                == MQTTSource.topic(of: last)
        )
    }
}
