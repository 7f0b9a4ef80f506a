import Decoding
package import Telemetry

/// A recorded message of a source and what must become of it: documentation that is tested.
package struct SourceExample: Sendable, Equatable {
    package struct Gives: Sendable, Equatable {
        package var vehicle: String
        package var signal: SignalID
        package var value: Double
        /// When it was observed; nil where the example does not say.
        package var at: Timestamp?
    }

    package var file: String
    package var line: Int
    package var topic: String
    package var payload: String
    package var gives: [Gives]
    /// Reasons of the values that are rejected, in order.
    package var rejects: [String]

    init(_ item: YAMLValue, _ catalogue: Catalogue) throws {
        let map = try item.mapping(keys: ["topic", "payload", "gives", "rejects"])
        file = item.file
        line = item.line
        topic = try map.require("topic").string()
        payload = try map.require("payload").string()
        rejects = try map[optional: "rejects"]?.list().map { try $0.string() } ?? []
        gives = try map.require("gives").list().map { value in
            let entry = try value.mapping(keys: ["vehicle", "signal", "value", "at"])
            let path = try entry.require("signal").string()
            guard let signal = catalogue.find(path: path) else {
                throw value.failure("'\(path)' is not in the catalogue")
            }
            return Gives(
                vehicle: try entry.require("vehicle").string(),
                signal: signal,
                value: try entry.require("value").double(),
                at: try entry[optional: "at"].map(instant)
            )
        }
    }
}

private func instant(_ value: YAMLValue) throws -> Timestamp {
    let text = Array(try value.string().utf8)
    // Nothing of a whole time depends on when it arrives.
    guard let time = TimeForm().instant(of: text, receivedAt: .distantPast) else {
        throw value.failure("a time was expected, such as 2026-11-21T10:15:30Z")
    }
    return time
}
