import Decoding
import Telemetry
import Testing

struct TopicAndProfileTests {
    @Test func topicsNameKindAndVehicle() throws {
        let topic = Array("vehicles/ev-1/telemetry".utf8)
        let (kind, range) = try TopicParser.parse(topic.span)
        #expect(kind == .telemetry)
        #expect(String(decoding: topic[range], as: UTF8.self) == "ev-1")
        #expect(try TopicParser.parse(Array("vehicles/x/profile".utf8).span).kind == .profile)
    }

    @Test(arguments: [
        "", "vehicles", "vehicles/", "vehicles//telemetry", "vehicles/+/telemetry",
        "vehicles/a#b/telemetry", "vehicles/$SYS/telemetry", "vehicles/a\u{0}b/telemetry",
        "vehicles/a/b/telemetry", "vehicles/a/telemetry/", "vehicles/a/other",
        "Vehicles/a/telemetry",
        "vehicles/ a/telemetry", "vehicles/\(String(repeating: "a", count: 65))/telemetry",
    ])
    func topicsThatCouldReachAnotherVehicleAreRejected(topic: String) {
        #expect(throws: Rejection.self) { try TopicParser.parse(Array(topic.utf8).span) }
    }

    @Test func aProfileKeepsWhatItDoesNotSay() throws {
        let text = "{\"v\":1,\"placard_front_kpa\":250,\"model\":\"E-Liner\",\"colour\":\"red\"}"
        let profile = try ProfileDecoder.decode(Array(text.utf8).span)
        #expect(profile.placardFrontKilopascals == 250 && profile.model == "E-Liner")
        var older = VehicleProfile()
        older.station = "s1"
        older.model = "old"
        let merged = older.merged(with: profile)
        #expect(merged.station == "s1" && merged.model == "E-Liner")
    }

    @Test(arguments: [
        "", "[]", "{\"placard_front_kpa\":\"250\"}", "{\"placard_rear_kpa\":2.5}", "{\"v\":9}",
    ])
    func badProfilesAreRejected(text: String) {
        #expect(throws: Rejection.self) { try ProfileDecoder.decode(Array(text.utf8).span) }
    }
}
