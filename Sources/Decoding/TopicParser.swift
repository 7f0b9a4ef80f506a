import Telemetry

/// What a topic carries.
package enum TopicKind: Sendable {
    case telemetry
    case profile
}

/// `vehicles/{vehicle}/telemetry` and `vehicles/{vehicle}/profile`.
package enum TopicParser {
    /// The kind, and where in the topic the vehicle's name stands.
    package static func parse(
        _ topic: Span<UInt8>
    ) throws(Rejection) -> (kind: TopicKind, vehicle: Range<Int>) {
        guard hasBytes("vehicles/", in: topic, at: 0) else { throw Rejection(.badTopic, at: 0) }
        let start = 9
        var end = start
        while end < topic.count, topic[end] != UInt8(ascii: "/") { end += 1 }
        guard VehicleName.isValid(topic, start..<end) else { throw Rejection(.badTopic, at: start) }
        if hasBytes("/telemetry", in: topic, at: end), topic.count == end + 10 {
            return (.telemetry, start..<end)
        }
        if hasBytes("/profile", in: topic, at: end), topic.count == end + 8 {
            return (.profile, start..<end)
        }
        throw Rejection(.badTopic, at: end)
    }

    private static func hasBytes(
        _ word: String,
        in bytes: Span<UInt8>,
        at start: Int
    ) -> Bool {
        guard bytes.count >= start + word.utf8.count else { return false }
        var place = start
        for byte in word.utf8 {
            guard bytes[place] == byte else { return false }
            place += 1
        }
        return true
    }
}
