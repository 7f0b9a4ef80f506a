import ArgumentParser
import GatewayApp

/// `gateway quarantine`: what was rejected, and a second chance for it.
struct QuarantineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quarantine",
        abstract: "Lists, shows, takes in again or discards rejected packets (dead letters).",
        discussion: """
            The gateway must be running: only its core may take packets in. After a change of the
            catalogue or a source, restart it, then take the packets in again. Once there are users,
            GATEWAY_TOKEN must hold a token with the scopes feed and mend_feed.

            Examples:
              gateway quarantine list --reason unknown_signal
              gateway quarantine show 17
              gateway quarantine reingest --reason unknown_signal
              gateway quarantine discard 17 18
            """,
        subcommands: [List.self, Show.self, Reingest.self, Discard.self]
    )

    struct Choice: ParsableArguments {
        @Argument(help: "Numbers of dead letters.")
        var ids: [Int64] = []

        @Option(help: "Instead of numbers: all of this reason.")
        var reason: String?

        @Flag(help: "Instead of numbers: all.")
        var all = false

        func validate() throws {
            let ways = [!ids.isEmpty, reason != nil, all].count { $0 }
            guard ways == 1 else { throw ValidationError("Name numbers, --reason or --all.") }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The newest dead letters.")

        @Option(help: "Only this reason, such as unknown_signal.")
        var reason: String?

        @Option(help: "At most this many.")
        var limit = 50

        @OptionGroup var gateway: GatewayOption

        func run() async throws {
            let quarantine = Quarantine(try gateway.client())
            do {
                for letter in try await quarantine.list(reason: reason, limit: limit) {
                    print(
                        "\(letter.id)   \(letter.count) x, last \(letter.lastReceivedAt)   "
                            + "\(letter.reason) at byte "
                            + "\(letter.byteOffset)   \(letter.topic)   \(letter.detail)"
                    )
                }
            } catch {
                throw failure(error)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One dead letter, whole.")

        @Argument(help: "Its number.")
        var id: Int64

        @OptionGroup var gateway: GatewayOption

        func run() async throws {
            let quarantine = Quarantine(try gateway.client())
            do {
                let letter = try await quarantine.show(id)
                print(
                    """
                    received  \(letter.receivedAt)
                    equal     \(letter.count), the last at \(letter.lastReceivedAt)
                    topic     \(letter.topic)
                    reason    \(letter.reason) at byte \(letter.byteOffset)   \(letter.detail)
                    rejected  \(letter.rejectedCount) of its readings
                    payload   \(letter.payloadBytes) bytes
                    \(letter.payload)
                    """
                )
            } catch {
                throw failure(error)
            }
        }
    }

    struct Reingest: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Takes dead letters in again.",
            discussion: "What is rejected again becomes a new dead letter."
        )

        @OptionGroup var choice: Choice
        @OptionGroup var gateway: GatewayOption

        func run() async throws {
            try await apply("reingest", choice, gateway)
        }
    }

    struct Discard: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Deletes dead letters.")

        @OptionGroup var choice: Choice
        @OptionGroup var gateway: GatewayOption

        func run() async throws {
            try await apply("discard", choice, gateway)
        }
    }

    private static func apply(
        _ action: String,
        _ choice: Choice,
        _ gateway: GatewayOption
    ) async throws {
        let quarantine = Quarantine(try gateway.client())
        do {
            let outcome = try await quarantine.apply(action, to: choice.ids, reason: choice.reason)
            print(
                "\(outcome.removed) dead letters: \(outcome.accepted) readings accepted, "
                    + "\(outcome.rejected) rejected again"
            )
        } catch {
            throw failure(error)
        }
    }
}
