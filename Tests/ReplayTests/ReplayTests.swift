import Foundation
import Support
import Testing

/// `gateway replay` as an engineer runs it: a file in, the same bytes out every time.
@Suite(.serialized)
struct ReplayTests {
    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    /// 40 days of three cars: one loses air, one oil, one is well; with zeros that mean "no
    /// reading", a repeat, a line that is not JSON and a clock from the future.
    private func recording() throws -> String {
        var lines: [String] = []
        let wheel = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire"
        func line(_ vehicle: String, _ signal: String, _ time: String, _ value: String) {
            lines.append(
                "{\"vehicle\":\"\(vehicle)\",\"signal\":\"\(signal)\",\"ts\":\"\(time)\",\"value\":\(value)}"
            )
        }
        for step in 0..<120 {
            let time = String(
                format: "2026-03-%02dT%02d:00:00Z",
                1 + step / 3 % 31,
                step % 3 * 8
            )
            let stamp =
                step / 3 < 31
                ? time
                : String(format: "2026-04-%02dT%02d:00:00Z", step / 3 - 30, step % 3 * 8)
            let noise = [0.6, -0.4, 0.2, -0.6, 0.4, -0.2][step % 6]
            for (vehicle, perDay) in [("leaks", 2.0), ("well", 0.17)] {
                // The leak is repaired after 30 days.
                let lost = vehicle == "leaks" && step >= 90 ? 0 : perDay * Double(step) / 3
                let value = String(format: "%.1f", 240 - lost + noise)
                line(vehicle, "\(wheel).Pressure", stamp, step % 25 == 7 ? "0" : value)
                line(vehicle, "\(wheel).AirTemperature", stamp, "20")
            }
            line(
                "oil",
                "Private.EngineOil.LifeRemainingPercent",
                stamp,
                "\(max(0, 25 - step / 6))"
            )
            if step == 50 { lines.append(lines[lines.count - 1]) }
            if step == 60 { lines.append("{\"vehicle\":") }
            if step == 70 {
                lines.append(
                    "{\"vehicle\":\"well\",\"signal\":\"Vehicle.Speed\",\"ts\":\"2027-01-01T00:00:00Z\",\"value\":1,\"rx\":\"\(stamp)\"}"
                )
            }
        }
        return try folder.write("recording.jsonl", lines.joined(separator: "\n") + "\n")
    }

    private func replay(
        _ arguments: [String],
        _ name: String
    ) async throws -> (code: Int32, output: String) {
        let process = try RunningProcess(
            Repository.product("gateway").path,
            [
                "replay", "--config", Repository.config, "--alerts",
                folder.path("\(name).alerts.csv"),
                "--suggestions", folder.path("\(name).suggestions.csv"),
            ] + arguments,
            folder: folder
        )
        return (try await process.exit(), process.output)
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOfFile: folder.path(name), encoding: .utf8)
    }

    /// The outputs for the recording above, kept beside this file.
    ///
    /// `GOLDEN_UPDATE=1` rewrites them.
    @Test func theGoldenRecordingGivesTheGoldenAlertsTwice() async throws {
        let path = try recording()
        for name in ["first", "second"] {
            let (code, output) = try await replay([path, "--summary", "json"], name)
            #expect(code == 0, "\(output)")
            try output.split(separator: "\n").filter { $0.hasPrefix("{") }.joined()
                .write(
                    toFile: folder.path("\(name).summary.json"),
                    atomically: true,
                    encoding: .utf8
                )
        }
        let goldens = Repository.root.appendingPathComponent("Tests/ReplayTests/Goldens")
        for kind in ["alerts.csv", "suggestions.csv", "summary.json"] {
            let first = try read("first.\(kind)")
            #expect(try first == read("second.\(kind)"))
            let golden = goldens.appendingPathComponent("fleet.\(kind)")
            if ProcessInfo.processInfo.environment["GOLDEN_UPDATE"] == "1" {
                try first.write(to: golden, atomically: true, encoding: .utf8)
            }
            #expect(try first == String(contentsOf: golden, encoding: .utf8), "\(kind)")
        }
    }

    @Test func theSummaryAddsUp() async throws {
        struct Summary: Decodable {
            var read: Int
            var accepted: Int
            var stored: Int
            var duplicate: Int
            var rejected: Int
            var rejectedByReason: [String: Int]
            var noReading: Int
            var alerts: Int
            var suggestions: Int
        }
        let (_, output) = try await replay([try recording(), "--summary", "json"], "a")
        let json = output.split(separator: "\n").first { $0.hasPrefix("{") } ?? ""
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let summary = try decoder.decode(Summary.self, from: Data(json.utf8))
        // 120 steps × 5 readings, one repeat, one broken line, one from the future.
        #expect(summary.read == 603)
        #expect(summary.read == summary.accepted + summary.rejected)
        #expect(summary.accepted == summary.stored + summary.duplicate)
        #expect(summary.duplicate == 1)
        #expect(summary.rejectedByReason == ["not_json": 1, "future_timestamp": 1])
        #expect(summary.noReading == 10)
        #expect(summary.alerts == 2 && summary.suggestions == 2)
    }

    /// Every midnight the file says what was foreseen of each component, alert or not.
    @Test func predictionsHoldTheRangeOfEveryDay() async throws {
        let path = folder.path("predictions.csv")
        let (code, output) = try await replay([try recording(), "--predictions", path], "p")
        #expect(code == 0, "\(output)")
        let lines = try read("predictions.csv").split(separator: "\n")
        #expect(lines.first == "vehicle,component,at,predicted_crossing,early,late,rule")
        let rows = lines.dropFirst()
            .map { $0.split(separator: ",", omittingEmptySubsequences: false) }
            .filter { $0[0] == "leaks" && $0[1] == "tyre_fl" }
        #expect(rows.map(\.[2]).first == "2026-03-02T00:00:00Z")
        #expect(rows.count == 39, "a row at every midnight of forty days")
        #expect(rows.allSatisfy { $0[4] <= $0[3] && $0[3] <= $0[5] })
        // 240 kPa less 2 a day is 180 on 31 March; a week before that, the range holds it.
        let told = try #require(rows.first { $0[2] == "2026-03-24T00:00:00Z" })
        #expect(told[4] <= "2026-03-31T00" && told[5] >= "2026-03-31T00", "\(told)")
        // The wheel is mended on 31 March: the limit is out of sight.
        let mended = try #require(rows.last)
        #expect(mended[3].isEmpty || mended[3] > "2026-06-01", "\(mended)")
    }

    @Test func gzipAndSeveralFilesReadAlike() async throws {
        let path = try recording()
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = text.split(separator: "\n")
        let head = try folder.write(
            "head.jsonl",
            lines.prefix(300).joined(separator: "\n") + "\n"
        )
        // Without a newline at the end, and with Windows line ends.
        let tail = try folder.write(
            "tail.jsonl",
            lines.dropFirst(300).joined(separator: "\r\n")
        )
        let gzip = try RunningProcess("/bin/gzip", ["-k", path], folder: folder)
        #expect(try await gzip.exit() == 0)
        _ = try await replay([path], "plain")
        _ = try await replay(["\(path).gz"], "gzip")
        _ = try await replay([head, tail], "parts")
        #expect(try read("gzip.alerts.csv") == read("plain.alerts.csv"))
        #expect(try read("parts.alerts.csv") == read("plain.alerts.csv"))
    }

    @Test func whatCannotBeReadIsSaid() async throws {
        let missing = try await replay([folder.path("nowhere.jsonl")], "m")
        #expect(missing.code == 1 && missing.output.contains("No such file"))
        let existing = try folder.write("kept.sqlite", "x")
        let refused = try await replay([try recording(), "--store", existing], "s")
        #expect(refused.code == 1 && refused.output.contains("writes only to a new file"))
        let damaged = folder.path("damaged.jsonl.gz")
        var bytes = Data([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
        bytes.append(contentsOf: [UInt8](repeating: 0xff, count: 100))
        try bytes.write(to: URL(fileURLWithPath: damaged))
        let gzip = try await replay([damaged], "d")
        #expect(gzip.code == 1 && gzip.output.contains("damaged gzip data"))
    }

    /// Real recordings: no crash, the summary adds up, values that mean nothing raise nothing.
    @Test(.enabled(if: Repository.shared("data/recordings") != nil, "../shared is not here"))
    func realRecordingsReplay() async throws {
        // The Leaf's tyres have no thermometers: their warming up and the sun are no leaks.
        let names = [
            "oem-cloud", "teltonika", "natal-14cars-excerpt", "teslafi", "leaf-2017",
            "obdb-snapshots",
        ]
        for name in names {
            let url = try #require(Repository.shared("data/recordings/\(name).jsonl.gz"))
            let (code, output) = try await replay([url.path, "--summary", "json"], name)
            #expect(code == 0, "\(name): \(output)")
            #expect(try !read("\(name).alerts.csv").contains("tyre"), "\(name)")
        }
    }

    /// A file of another kind ends with what to do, and not as if all were well.
    @Test func aRecordingOfWhichNothingIsAcceptedFails() async throws {
        let csv = try folder.write("drive.csv", "time,speed\n1,50\n2,51\n")
        let empty = try folder.write("empty.jsonl", "")
        for (path, text) in [
            (csv, "no reading was accepted"), (empty, "no reading"),
        ] {
            let process = try RunningProcess(
                Repository.product("gateway").path,
                ["replay", path, "--config", Repository.config],
                folder: folder
            )
            #expect(try await process.exit() == 1)
            #expect(process.output.contains(text) && process.output.contains("Next: "))
        }
    }
}
