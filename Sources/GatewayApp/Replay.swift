import ConfigFiles
import Decoding
import Foundation
import GatewayCore
import Recording
import Rules
import Store
import Telemetry
import Workshop

/// What a replay is asked to do.
package struct ReplayOptions: Sendable {
    package enum SummaryFormat: String, CaseIterable, Sendable {
        case text
        case json
    }

    package var configPath = "config/gateway.yaml"
    package var recordings: [String] = []
    package var vehiclesPath: String?
    package var limitsPath: String?
    package var storePath: String?
    package var alertsPath: String?
    package var includesAlertChanges = false
    package var predictionsPath: String?
    package var suggestionsPath: String?
    package var troublesPath: String?
    package var summary = SummaryFormat.text

    package init() {}
}

/// Recorded readings through the same core as live traffic, with recorded time as the clock.
///
/// Nothing is sent anywhere: no broker, no page, and, unless told otherwise, a database that is
/// thrown away.
package enum Replay {
    /// Runs a replay; the summary goes to standard output, progress to standard error.
    package static func run(_ options: ReplayOptions) throws {
        var assembly = try Assembly(configPath: options.configPath)
        if let path = options.vehiclesPath { assembly.registry = try RegistryFile.load(path) }
        if let path = options.limitsPath { try assembly.loadLimits(path) }
        let readers = try options.recordings.map { try RecordingReader(path: $0) }
        let scratch = try ScratchFolder(unless: options.storePath)
        let store = try GatewayStore(
            path: scratch.storePath,
            durability: options.storePath == nil ? .scratch : .full,
            content: options.storePath == nil ? .readings : .everything
        )
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        let committer = Committer(writer)
        defer { committer.close() }
        var run = ReplayRun(
            gateway: assembly.makeGateway(tellsForecasts: options.predictionsPath != nil),
            committer: committer
        )
        run.alerts = try options.alertsPath.map {
            try CSVFile(
                path: $0,
                header: "vehicle,component,raised_at,predicted_crossing"
                    + (options.includesAlertChanges ? ",type" : "")
            )
        }
        run.includesAlertChanges = options.includesAlertChanges
        run.predictions = try options.predictionsPath.map {
            try CSVFile(path: $0, header: "vehicle,component,at,predicted_crossing,early,late,rule")
        }
        run.troubles = try options.troublesPath.map {
            try CSVFile(path: $0, header: "vehicle,component,kind,since,until,text")
        }
        run.suggestions = try options.suggestionsPath.map {
            try CSVFile(
                path: $0,
                header: "suggestion,vehicle,created_at,class,latest_by,station,bay,start,end,"
                    + "minutes,jobs,alerts"
            )
        }
        var progress = Progress(totalBytes: readers.reduce(0) { $0 + $1.fileBytes })
        try run.take(.registry(assembly.registry))
        for reader in readers {
            var batch = PacketBatch()
            var isMore = true
            while isMore {
                batch.removeAll()
                isMore = try reader.fill(&batch)
                try run.take(.lines(batch))
                progress.show(bytes: reader.fileOffset, readings: run.counts.received)
            }
            progress.finish(reader.fileBytes)
        }
        try run.finish()
        try store.close()
        progress.end(readings: run.counts.received)
        print(run.summary(options.summary))
        guard run.counts.accepted > 0 else { throw EmptyReplay(run.counts) }
    }
}

/// The state of one replay.
private struct ReplayRun {
    var gateway: Gateway
    let committer: Committer
    /// The last step's unit, which is being committed.
    private var pending: (unit: CommitUnit, commit: Committer.Commit)?
    var alerts: CSVFile?
    var includesAlertChanges = false
    var predictions: CSVFile?
    var suggestions: CSVFile?
    /// The newest that has its row.
    var newestSuggestion = SuggestionID(rawValue: 0)
    var troubles: CSVFile?
    var counts = StepCounts()
    var stored = 0
    var duplicate = 0
    /// Vehicles of whom the store wants a checkpoint next.
    var wanted: [VehicleID] = []

    init(gateway: Gateway, committer: Committer) {
        self.gateway = gateway
        self.committer = committer
    }

    mutating func take(_ input: Input) throws {
        try commit(gateway.step(input, now: gateway.now, checkpointing: wanted))
    }

    mutating func finish() throws {
        try commit(gateway.finish())
        if let last = try settle() { try write(last) }
        try alerts?.close()
        try predictions?.close()
        try suggestions?.close()
        for trouble in gateway.allTroubles { try write(trouble) }
        try troubles?.close()
    }

    /// Hands a unit over, and meanwhile writes what the one before tells.
    private mutating func commit(_ unit: CommitUnit) throws {
        let before = try settle()
        pending = (unit, committer.commit(unit))
        if let before { try write(before) }
    }

    /// Waits for the commit in hand: until then nothing of its unit is told.
    private mutating func settle() throws -> CommitUnit? {
        guard let (unit, commit) = pending else { return nil }
        pending = nil
        let receipt = try Committer.wait(for: commit)
        counts += unit.counts
        stored += receipt.stored
        duplicate += receipt.duplicate
        wanted = receipt.wanted
        return unit
    }

    private mutating func write(_ unit: CommitUnit) throws {
        for entry in unit.alertLog where entry.kind == .raise || includesAlertChanges {
            guard let alerts else { break }
            try alerts.write { row in
                row.add(gateway.name(of: entry.vehicle))
                row.add(entry.component)
                row.add(entry.at)
                row.add(entry.predictedCrossing)
                if includesAlertChanges { row.add(entry.kind.rawValue) }
            }
        }
        if let predictions { try write(unit.forecastLog, to: predictions) }
        if let suggestions {
            // They are numbered as they are made, and one may be written again at its first version.
            for suggestion in unit.suggestions where suggestion.id > newestSuggestion {
                try write(suggestion, to: suggestions)
                newestSuggestion = suggestion.id
            }
        }
        for trouble in unit.troubles where trouble.until != nil {
            try write(trouble)
        }
    }

    private func write(_ trouble: Trouble) throws {
        try troubles?.write { row in
            row.add(gateway.name(of: trouble.vehicle))
            row.add(trouble.component)
            row.add(trouble.kind.name)
            row.add(trouble.since)
            row.add(trouble.until)
            row.add(trouble.text)
        }
    }

    /// The log goes by midnight and vehicle, so that what rows share is made once for several.
    private func write(_ log: [ForecastLogEntry], to file: CSVFile) throws {
        guard let first = log.first else { return }
        var (vehicle, midnight) = (first.vehicle, first.at)
        var (name, text) = (name(of: vehicle), text(of: midnight))
        for entry in log {
            if vehicle != entry.vehicle {
                vehicle = entry.vehicle
                name = self.name(of: vehicle)
            }
            if midnight != entry.at {
                midnight = entry.at
                text = self.text(of: midnight)
            }
            try file.write { row in
                row.add(quoted: name)
                row.add(entry.component)
                row.add(quoted: text)
                row.add(entry.middle)
                row.add(entry.early)
                row.add(entry.late)
                row.add(entry.rule)
            }
        }
    }

    private func name(of vehicle: VehicleID) -> [UInt8] {
        Array(CSVRows.quoted(gateway.name(of: vehicle)).utf8)
    }

    private func text(of time: Timestamp) -> [UInt8] {
        var text: [UInt8] = []
        time.append(to: &text)
        return text
    }

    private func write(_ suggestion: Suggestion, to file: CSVFile) throws {
        let station = gateway.stations[suggestion.station]
        let slot = suggestion.occupancy?.slot
        let need = suggestion.need
        try file.write { row in
            row.add("\(suggestion.id.rawValue)")
            row.add(gateway.name(of: suggestion.vehicle))
            row.add(suggestion.createdAt)
            row.add(need.urgency.name)
            row.add(need.latestBy)
            row.add(station.code)
            row.add(slot.map { station.bays[$0.bay].code } ?? "")
            row.add(slot?.interval.start)
            row.add(slot?.interval.end)
            row.add("\(need.minutes)")
            row.add(need.jobs.joined(separator: " "))
            row.add(suggestion.alerts.map { "\($0.rawValue)" }.joined(separator: " "))
        }
    }

    func summary(_ format: ReplayOptions.SummaryFormat) -> String {
        let rejected = RejectionReason.allCases.filter { counts.rejected[$0.place] > 0 }
        switch format {
        case .json:
            let reasons = rejected.map { "\"\($0.rawValue)\":\(counts.rejected[$0.place])" }
            return "{\"read\":\(counts.received),\"accepted\":\(counts.accepted),"
                + "\"stored\":\(stored),\"duplicate\":\(duplicate),"
                + "\"rejected\":\(counts.rejectedTotal),"
                + "\"rejected_by_reason\":{\(reasons.joined(separator: ","))},"
                + "\"late\":\(counts.late),\"no_reading\":\(counts.noReading),"
                + "\"vehicles\":\(gateway.vehicleCount),\"alerts\":\(counts.alertsRaised),"
                + "\"cleared\":\(counts.alertsCleared),"
                + "\"suggestions\":\(counts.suggestionsMade)}"
        case .text:
            var lines = [
                "read         \(counts.received)",
                "accepted     \(counts.accepted)   (stored \(stored) + duplicate \(duplicate))",
                "rejected     \(counts.rejectedTotal)",
            ]
            lines += rejected.map { "  \($0.rawValue)   \(counts.rejected[$0.place])" }
            lines += [
                "late         \(counts.late)", "no reading   \(counts.noReading)",
                "vehicles     \(gateway.vehicleCount)",
                "alerts       \(counts.alertsRaised)   (cleared \(counts.alertsCleared))",
                "suggestions  \(counts.suggestionsMade)",
            ]
            return lines.joined(separator: "\n")
        }
    }
}

/// A replay of which nothing came.
private struct EmptyReplay: Error, CustomStringConvertible {
    let description: String

    init(_ counts: StepCounts) {
        guard
            let most = RejectionReason.allCases.max(by: {
                counts.rejected[$0.place] < counts.rejected[$1.place]
            }), counts.rejectedTotal > 0
        else {
            description =
                "there is no reading in it\nNext: write a reading or packet in JSON on each line"
            return
        }
        description =
            "no reading was accepted, most for \(most.rawValue); a line is one reading or packet "
            + "in JSON\nNext: \(most.remedy)"
    }
}

/// A folder for a store nobody keeps; it disappears with the replay.
private final class ScratchFolder {
    let storePath: String
    private let folder: URL?

    init(unless storePath: String?) throws {
        if let storePath {
            guard !FileManager.default.fileExists(atPath: storePath) else {
                throw RecordingError(
                    path: storePath,
                    cause: "exists already; a replay writes only to a new file (--store)"
                )
            }
            self.storePath = storePath
            folder = nil
        } else {
            let folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("gateway-replay-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                at: folder,
                withIntermediateDirectories: true
            )
            self.folder = folder
            self.storePath = folder.appendingPathComponent("replay.sqlite").path
        }
    }

    deinit {
        if let folder { try? FileManager.default.removeItem(at: folder) }
    }
}
