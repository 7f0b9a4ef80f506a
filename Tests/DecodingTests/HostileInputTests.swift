import Decoding
import Foundation
import Support
import Telemetry
import Testing

/// The provided hostile inputs; skipped where they are absent.
@Suite(.enabled(if: Repository.shared("data/bad-input") != nil, "../shared is not here"))
struct HostileInputTests {
    private struct Case: Decodable {
        var id: String
        var payload: String
    }

    private func cases(_ name: String) throws -> [(id: String, bytes: [UInt8])] {
        let url = try #require(Repository.shared("data/bad-input/\(name).jsonl.gz"))
        return try Repository.lines(of: url).map { line in
            let item = try JSONDecoder().decode(Case.self, from: line)
            return (item.id, Array(Data(base64Encoded: item.payload) ?? Data()))
        }
    }

    @Test(arguments: ["json-suite", "naughty-strings"])
    func nothingHostileIsAReadingAndTheNextGoodMessageIs(name: String) throws {
        var decoder = PayloadDecoder(catalogue: try Fixtures.assembly().catalogue)
        let good = Array(
            "{\"v\":1,\"ts\":\"2026-03-01T00:00:00Z\",\"readings\":{\"Vehicle.Speed\":1}}".utf8
        )
        let all = try cases(name)
        #expect(all.count >= 340)
        for (id, bytes) in all {
            do throws(Rejection) {
                _ = try decoder.decodeTelemetry(bytes.span, receivedAt: Fixtures.start)
                Issue.record("\(id) was accepted")
            } catch {
                #expect(decoder.readings.isEmpty, "\(id)")
            }
            _ = try decoder.decodeTelemetry(good.span, receivedAt: Fixtures.start)
            #expect(decoder.readings.count == 1, "after \(id)")
        }
    }

    /// Inside an otherwise good packet: never a signal, a time or a value.
    @Test func naughtyStringsAreNeitherSignalNorTimeNorValue() throws {
        var decoder = PayloadDecoder(catalogue: try Fixtures.assembly().catalogue)
        for (id, bytes) in try cases("naughty-strings") {
            guard let text = String(bytes: bytes, encoding: .utf8),
                let data = try? JSONEncoder().encode([text])
            else { continue }
            let literal = String(decoding: data, as: UTF8.self).dropFirst().dropLast()
            for packet in [
                "{\"v\":1,\"ts\":\"2026-03-01T00:00:00Z\",\"readings\":{\(literal):1}}",
                "{\"v\":1,\"ts\":\"2026-03-01T00:00:00Z\",\"readings\":{\"Vehicle.Speed\":\(literal)}}",
                "{\"v\":1,\"ts\":\(literal),\"readings\":{\"Vehicle.Speed\":1}}",
            ] {
                let result = try? decoder.decodeTelemetry(
                    Array(packet.utf8).span,
                    receivedAt: Fixtures.start
                )
                #expect(result == nil || decoder.readings.isEmpty, "\(id): \(packet)")
            }
        }
    }
}
