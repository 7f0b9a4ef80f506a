import ArgumentParser
import Foundation
import GatewayApp

/// `gateway sources`: what speaks MQTT besides our own format, checked without a broker.
struct SourcesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sources",
        abstract: "Lists, tests and tries the payload dialects of config/sources.",
        discussion: """
            From a stream that is new to a source that is in force:
              gateway sources draft --topic 'garage/#' --for 60s > config/sources/garage.yaml
              gateway sources try garage/car1/status '{"v":12.4}'
              gateway sources test
              gateway serve
              gateway sources ignored
            """,
        subcommands: [List.self, Draft.self, Try.self, Test.self, Ignored.self]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One line per source in force.")

        @OptionGroup var settings: ConfigOption

        func run() throws {
            for line in SourceTrial.list(try settings.assembly()) { print(line) }
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs the examples that stand in the source files."
        )

        @OptionGroup var settings: ConfigOption

        func run() throws {
            let (examples, complaints) = SourceTrial.test(try settings.assembly())
            for complaint in complaints { print(complaint) }
            print("\(examples) examples, \(complaints.count) failed")
            if examples == 0 {
                print("Next: write down under 'examples' what a message must give.")
            }
            if !complaints.isEmpty || examples == 0 { throw ExitCode.failure }
        }
    }

    struct Draft: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Listens to a new sender and writes a first mapping.",
            discussion: """
                Asks the broker of the settings for a topic, and writes a source file to standard
                output: topic, time, names and units matched against the catalogue, and what is not
                mapped as comments. A unit that nothing tells is left to you.

                Examples:
                  gateway sources draft --topic 'garage/#' --for 60s > config/sources/garage.yaml
                  mosquitto_sub -v -t 'garage/#' -W 60 | gateway sources draft --topic 'garage/#' -
                """
        )

        @Option(help: "The topic filter, such as 'garage/#'.")
        var topic: String

        @Option(name: .customLong("for"), help: "How long to listen: 60s, 5m.")
        var duration = "60s"

        @Argument(help: "Instead of listening: - reads lines of topic, blank and payload.")
        var input: String?

        @OptionGroup var settings: ConfigOption

        private var seconds: Int? {
            let unit = duration.last == "m" ? 60 : duration.last == "h" ? 3_600 : 1
            let digits = duration.last?.isNumber ?? false ? duration : String(duration.dropLast())
            return Int(digits).map { $0 * unit }
        }

        func validate() throws {
            guard let seconds, (1...86_400).contains(seconds) else {
                throw ValidationError("--for takes a time such as 60s or 5m, a day at most.")
            }
            guard input == nil || input == "-" else {
                throw ValidationError("Messages are read from standard input only: -")
            }
        }

        func run() throws {
            let assembly = try settings.assembly()
            let heard: [SourceDraft.Heard]
            do { heard = try input == nil ? listen() : read() } catch { throw failure(error) }
            guard let draft = SourceDraft(heard, filter: topic, catalogue: assembly.catalogue)
            else {
                tell(
                    "nothing was heard on \(topic)\nNext: look at the sender, or listen to more: '#'."
                )
                throw ExitCode.failure
            }
            print(draft.text, terminator: "")
            let example = String(decoding: draft.example.payload.prefix(2_000), as: UTF8.self)
            tell(
                """
                \(draft.mapped) values are mapped, \(draft.undecided) wait for their unit, \
                \(draft.unmapped) have no signal.
                Next: save it in config/sources, then
                  gateway sources try '\(draft.example.topic)' '\(example)'
                """
            )
            if draft.mapped + draft.undecided == 0 { throw ExitCode.failure }
        }

        private func listen() throws -> [SourceDraft.Heard] {
            try SourceListening.hear(
                topic,
                seconds: seconds ?? 60,
                configPath: settings.config
            ) { second, count in
                if second % 10 == 0 { tell("\(second) s: \(count) messages") }
            }
        }

        private func read() -> [SourceDraft.Heard] {
            var heard: [SourceDraft.Heard] = []
            while let line = readLine(), heard.count < SourceListening.messagesMax {
                let parts = line.split(separator: " ", maxSplits: 1)
                guard let topic = parts.first else { continue }
                let payload = parts.count == 2 ? Array(parts[1].utf8) : []
                heard.append(SourceDraft.Heard(topic: String(topic), payload: payload))
            }
            return heard
        }

        private func tell(_ text: String) {
            FileHandle.standardError.write(Data("\(text)\n".utf8))
        }
    }

    struct Ignored: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What a running gateway takes in and no source maps.",
            discussion: """
                The 200 most frequent topics since its start, with how often and the last payload's
                beginning. Once there are users, GATEWAY_TOKEN must hold a token.
                """
        )

        @OptionGroup var gateway: GatewayOption

        func run() async throws {
            do {
                let lines = try await IgnoredTopicList.lines(try gateway.client())
                for line in lines { print(line) }
                if lines.isEmpty { print("nothing: every message is mapped in part at least") }
            } catch let code as ExitCode {
                throw code
            } catch {
                throw failure(error)
            }
        }
    }

    struct Try: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what would become of a message.",
            discussion: """
                Examples:
                  gateway sources try ovms/anna/leaf7/metric/v/b/12v/voltage 12.61
                  gateway sources try teslamate/cars/1/outside_temp -5.5
                  gateway sources try vehicles/v1/telemetry - < packet.json

                Exits with 1 when no reading comes of it.
                """
        )

        @Argument(help: "The topic.")
        var topic: String

        // A single value that begins with a minus would be taken for an option.
        @Argument(
            parsing: .allUnrecognized,
            help: "The payload; - reads it from standard input."
        )
        var payload: [String]

        @OptionGroup var settings: ConfigOption

        func validate() throws {
            guard payload.count == 1 else {
                throw ValidationError("One payload is expected; quote one that has spaces.")
            }
        }

        func run() throws {
            let bytes =
                payload == ["-"]
                ? Array(FileHandle.standardInput.readDataToEndOfFile()) : Array(payload[0].utf8)
            let assembly = try settings.assembly()
            let outcome = SourceTrial.outcome(of: topic, payload: bytes, assembly: assembly)
            for line in outcome.lines { print(line) }
            if !outcome.hasReadings { throw ExitCode.failure }
        }
    }
}
