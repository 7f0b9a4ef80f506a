import ArgumentParser
import Decoding
import Foundation
import Telemetry

/// Bytes → readings, beside Foundation's decoder on the same bytes.
struct DecodeBench: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "decode")

    @OptionGroup var settings: ConfigOption

    private struct Plain: Decodable {
        var v: Int
        var boot: String
        var seq: Int
        var ts: String
        var readings: [String: Double]
    }

    func run() throws {
        let assembly = try settings.assembly()
        var generator = Generator()
        let count = 20_000
        let start = Timestamp(milliseconds: 1_772_323_200_000)
        let messages = (0..<count).map { index in
            Array(
                Packet.json(
                    sequence: index + 1,
                    time: "\(start + .seconds(Int64(index)))",
                    Packet.signals.indices.map { Packet.value($0, &generator) }
                ).utf8
            )
        }
        let late = start + .days(Int64(1))
        var decoder = PayloadDecoder(catalogue: assembly.catalogue)
        var total = 0
        let ours = medianNanoseconds(11, items: count) {
            for message in messages {
                _ = try? decoder.decodeTelemetry(message.span, receivedAt: late)
                total += decoder.readings.count
            }
        }
        precondition(total == 11 * 8 * count, "every message has eight readings")
        let foundation = JSONDecoder()
        let data = messages.prefix(2_000).map { Data($0) }
        let theirs = medianNanoseconds(5, items: data.count) {
            for message in data {
                total += (try? foundation.decode(Plain.self, from: message))?.readings.count ?? 0
            }
        }
        var sink = [UInt8](repeating: 0, count: 1_024)
        let copy = medianNanoseconds(11, items: count) {
            for message in messages {
                sink.replaceSubrange(0..<message.count, with: message)
                total += Int(sink[7])
            }
        }
        Figure(
            name: "decode, 8-reading message",
            value: ours,
            unit: "ns/message",
            floor: "memcpy of the message",
            floorValue: copy
        ).print()
        Figure(
            name: "Foundation JSONDecoder, same message",
            value: theirs,
            unit: "ns/message",
            floor: "decode (ratio is how often faster we are)",
            floorValue: ours
        ).print()
        let lines = (0..<count).map { index in
            let signal = Packet.signals[index % 8].path
            return Array(
                ("{\"vehicle\":\"v17\",\"signal\":\"\(signal)\",\"ts\":\"\(start + .seconds(Int64(index)))\","
                    + "\"value\":\(Packet.value(index % 8, &generator))}").utf8
            )
        }
        let line = medianNanoseconds(11, items: count) {
            for bytes in lines {
                _ = try? decoder.decodeLine(bytes.span, clock: late)
                total += decoder.readings.count
            }
        }
        Figure(name: "decode, one reading a line", value: line, unit: "ns/line").print()
    }
}
