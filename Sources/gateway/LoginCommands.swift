import Access
import ArgumentParser
import Foundation
import GatewayApp

extension Role: ExpressibleByArgument {}
extension Capability: ExpressibleByArgument {}

/// `gateway users`: who may log in.
struct UsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users",
        abstract: "Adds, lists and disables people who may log in to the pages.",
        discussion: """
            From the first user on the pages ask for a login. The gateway may be running. A password
            is asked for at the terminal, or read from the first line of standard input.

            Examples:
              gateway users add chen --role advisor --station su-zhou-1
              gateway users list
              gateway users disable chen
              gateway users password chen
            """,
        subcommands: [Add.self, List.self, Disable.self, Enable.self, Password.self]
    )

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Creates a user.")

        @Argument(help: "The name to log in with.")
        var name: String

        @Option(help: "What the user may do.")
        var role: Role

        @Option(help: "A station the user works for; repeat for more, leave out for all.")
        var station: [String] = []

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do {
                try await logins.addUser(
                    name,
                    role: role,
                    stations: station,
                    password: try newPassword()
                )
            } catch {
                throw failure(error)
            }
            print("\(name) may log in as \(role.rawValue).")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Who there is.")

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do {
                for line in try await logins.users() { print(line) }
            } catch {
                throw failure(error)
            }
        }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a user in no more, and ends what sessions there are."
        )

        @Argument(help: "The user's name.")
        var name: String

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do { try await logins.setDisabled(true, user: name) } catch { throw failure(error) }
            print("\(name) may no longer log in.")
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a user in again.")

        @Argument(help: "The user's name.")
        var name: String

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do { try await logins.setDisabled(false, user: name) } catch { throw failure(error) }
            print("\(name) may log in again.")
        }
    }

    struct Password: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes a password, and ends what sessions there are."
        )

        @Argument(help: "The user's name.")
        var name: String

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do { try await logins.setPassword(try newPassword(), user: name) } catch {
                throw failure(error)
            }
            print("The password of \(name) is changed.")
        }
    }

    /// Asked for twice at a terminal, without showing it; otherwise one line of standard input.
    private static func newPassword() throws -> String {
        guard isatty(STDIN_FILENO) == 1 else { return readLine() ?? "" }
        let first = typed("Password: ")
        guard typed("Again: ") == first else {
            throw ValidationError("The two differ; nothing was changed.")
        }
        return first
    }

    private static func typed(_ prompt: String) -> String {
        guard let text = unsafe getpass(prompt) else { return "" }
        return unsafe String(cString: text)
    }
}

/// `gateway tokens`: programs that may ask.
struct TokensCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens",
        abstract: "Makes, lists and revokes tokens for programs that use the API.",
        discussion: """
            A token is sent as `Authorization: Bearer …`. It is shown once; the store keeps its hash.

            Examples:
              gateway tokens add crm --scope see --scope edit_customers
              gateway tokens list
              gateway tokens revoke crm
            """,
        subcommands: [Add.self, List.self, Revoke.self]
    )

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Makes a token and prints it.")

        @Argument(help: "What the token is for; the history shows it.")
        var name: String

        @Option(help: "What its holder may do; repeat for more.")
        var scope: [Capability]

        @Option(help: "A station its holder may see; repeat for more, leave out for all.")
        var station: [String] = []

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do {
                print(
                    try await logins.addToken(name, scopes: Set(scope), stations: station)
                )
            } catch {
                throw failure(error)
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What tokens there are.")

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do {
                for line in try await logins.tokens() { print(line) }
            } catch {
                throw failure(error)
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a token at once.")

        @Argument(help: "The token's name.")
        var name: String

        @OptionGroup var store: StoreOption

        func run() async throws {
            let logins = try store.logins()
            do { try await logins.revokeToken(name) } catch { throw failure(error) }
            print("\(name) is revoked.")
        }
    }
}
