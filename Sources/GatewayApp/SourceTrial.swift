import ConfigFiles
import Decoding
import GatewayCore
import Telemetry

/// Sources tried without a broker: what would become of a message.
package enum SourceTrial {
    /// What a message becomes: one line per reading and rejection, or one that says it is ignored;
    /// and whether there is any reading.
    package static func outcome(
        of topic: String,
        payload: [UInt8],
        assembly: Assembly
    ) -> (lines: [String], hasReadings: Bool) {
        let unit = step(topic, payload, assembly)
        var lines = unit.readings.map { reading in
            let definition = assembly.catalogue[reading.signal]
            let quality = reading.quality == .good ? "" : "   (no reading)"
            return "\(unit.vehicles.first?.name ?? "")   \(definition.path)   "
                + "\(reading.value) \(definition.unit)   at \(reading.observedAt)\(quality)"
        }
        lines += unit.deadLetters.flatMap(\.rejections).map {
            "rejected: \($0.reason.rawValue) at byte \($0.byteOffset)"
                + ($0.detail.isEmpty ? "" : " (\($0.detail))")
        }
        if lines.isEmpty { lines = ["ignored: no source maps anything of it"] }
        return (lines, !unit.readings.isEmpty)
    }

    /// One line per source in force.
    package static func list(_ assembly: Assembly) -> [String] {
        assembly.sources.map { source in
            let signals = source.mappings.map(\.targets.count).reduce(0, +)
            return "\(source.name)   \(source.topic.filter)   \(source.shape)   "
                + "\(signals) signals"
        }
    }

    /// Runs the examples of all sources.
    /// - Returns: how many there are, and a line for each that does not give what it says.
    package static func test(_ assembly: Assembly) -> (examples: Int, complaints: [String]) {
        let complaints = assembly.sourceExamples.compactMap { example in
            complaint(about: example, assembly: assembly).map {
                "\(example.file):\(example.line): \(example.topic) \($0)"
            }
        }
        return (assembly.sourceExamples.count, complaints)
    }

    private static func complaint(about example: SourceExample, assembly: Assembly) -> String? {
        let unit = step(example.topic, Array(example.payload.utf8), assembly)
        if let letter = unit.deadLetters.first {
            return "is rejected: \(letter.rejection.reason.rawValue) \(letter.rejection.detail)"
        }
        let name = unit.vehicles.first?.name ?? ""
        let given = unit.readings.map { (assembly.catalogue[$0.signal].path, $0.value) }
        let wanted = example.gives.map { (assembly.catalogue[$0.signal].path, $0.value) }
        let isSame =
            given.count == wanted.count
            && zip(given, wanted).allSatisfy {
                $0.0 == $1.0 && abs($0.1 - $1.1) <= 1e-4 * max(1, abs($1.1))
            }
            && example.gives.allSatisfy { $0.vehicle == name }
        return isSame ? nil : "gives \(given) of '\(name)', not \(wanted)"
    }

    private static func step(
        _ topic: String,
        _ payload: [UInt8],
        _ assembly: Assembly
    ) -> CommitUnit {
        let now = WallClock.now()
        var gateway = assembly.makeGateway()
        var batch = PacketBatch()
        batch.append(topic: topic.utf8, payload: payload, receivedAt: now)
        return gateway.step(.packets(batch), now: now)
    }
}
