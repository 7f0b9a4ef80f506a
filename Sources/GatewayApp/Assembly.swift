package import ConfigFiles
package import Decoding
package import GatewayCore
package import Messages
package import Rules
package import Store
import Synchronization
package import Telemetry
import Threads
package import Workshop

/// What the files of `config/` say, checked and ready for a core.
package struct Assembly: Sendable {
    package var settings: GatewaySettings
    package var catalogue: Catalogue
    package var sources: [Source]
    package var sourceExamples: [SourceExample]
    package var rules: [Rule]
    /// Empty until `loadRuleTests`.
    package var ruleTests: [RuleTest] = []
    package var jobs: [Job]
    package var stations: [Station]
    package var registry: [RegistryRow]
    /// Limits of single vehicles, by name.
    package var limits: [String: [VehicleLimit]]
    package var messages: MessageBook

    /// Reads every file the settings name.
    /// - Throws: `ConfigError` with file and line.
    package init(configPath: String) throws {
        settings = try GatewayFile.load(configPath)
        catalogue = try CatalogueFile.load(settings.catalogue)
        (sources, sourceExamples) = try SourceFile.load(
            folder: settings.sources,
            catalogue: catalogue
        )
        jobs = try StationFile.loadJobs("\(settings.stations)/catalogue.yaml")
        stations = try StationFile.loadStations(
            "\(settings.stations)/stations.yaml",
            holidays: try HolidayFile.load("\(settings.stations)/holidays.yaml")
        )
        rules = []
        messages = try MessageFile.load(folder: settings.messages)
        registry = settings.registry.isEmpty ? [] : try RegistryFile.load(settings.registry)
        limits = [:]
        try loadRules()
        let codes = Set(stations.map(\.code))
        for row in registry {
            guard let code = row.profile.station, !codes.contains(code) else { continue }
            throw ConfigError(
                file: settings.registry,
                line: 0,
                column: 0,
                message: "vehicle '\(row.vehicle)': there is no station '\(code)'"
            )
        }
    }

    /// Reads rules and the limits of single vehicles anew; catalogue and jobs stay.
    package mutating func loadRules() throws {
        rules = try RuleFile.load(
            folder: settings.rules,
            catalogue: catalogue,
            jobs: Set(jobs.map(\.code))
        )
        limits = [:]
        if !settings.limits.isEmpty { try loadLimits(settings.limits) }
    }

    /// Reads the tests of the rules, which a running gateway does not need.
    package mutating func loadRuleTests() throws {
        ruleTests = try RuleTestFile.load(folder: settings.rules, catalogue: catalogue)
    }

    /// Takes the limits of single vehicles from a file; they must be of rules in force.
    package mutating func loadLimits(_ path: String) throws {
        limits = try LimitsFile.load(
            path,
            engine: RuleEngine(rules: rules, catalogue: catalogue),
            catalogue: catalogue
        )
    }

    /// How long readings are kept, by the settings.
    package var retention: RetentionPolicy {
        func days(_ count: Int) -> Milliseconds? { count > 0 ? .days(Int64(count)) : nil }
        return RetentionPolicy(
            raw: days(settings.rawDays),
            hourly: days(settings.hourlyDays),
            daily: days(settings.dailyDays)
        )
    }

    /// What queues messages to customers beside the commits.
    package var outbox: Outbox {
        Outbox(book: messages, rules: rules, stations: stations, jobs: jobs)
    }

    package func makeGateway(tellsForecasts: Bool = false) -> Gateway {
        Gateway(
            catalogue: catalogue,
            sources: sources,
            rules: rules,
            stations: stations,
            jobs: jobs,
            silentAfter: settings.silentAfterHours > 0
                ? .hours(Int64(settings.silentAfterHours)) : nil,
            limits: limits,
            tellsForecasts: tellsForecasts
        )
    }

    /// A gateway that knows the records of a store and may take packets, and what is left of its
    /// start.
    ///
    /// Records and open readings are read side by side: of a million vehicles either takes a second.
    package func start(
        _ store: GatewayStore,
        _ writer: Writer,
        now: Timestamp
    ) throws(StoreError) -> (gateway: Gateway, recall: Recall) {
        let outcome = Mutex<Result<Void, StoreError>>(.success(()))
        let reopening = DedicatedThread(name: "reopen") {
            do throws(StoreError) {
                try writer.reopen()
            } catch {
                outcome.withLock { $0 = .failure(error) }
            }
        }
        let loaded = Result { () throws(StoreError) in
            try Restorer.load(store, stations: stations)
        }
        var gateway = makeGateway()
        if case .success(let state) = loaded { _ = gateway.restore(state, now: now) }
        reopening.join()
        _ = try loaded.get()
        try outcome.withLock { $0 }.get()
        return (gateway, Recall(writer))
    }
}
