//===- CommandLine.cpp - from arguments to a command and its exit code ---------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "tools/vit-run/CommandLine.h"

#include "runtime/data/Files.h"
#include "tools/vit-run/Options.h"
#include "tools/vit-run/Spelling.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fmt/ranges.h>
#include <new>
#include <unistd.h>
#include <utility>

namespace vitrun {
namespace {

std::vector<std::string> optionNames(const CLI::App &command) {
  std::vector<std::string> names;
  for (const CLI::Option *option : command.get_options())
    for (const std::string &name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

/// CLI11's sentence for what the parser did not accept, in the words and with the code that all tools of the project share.
int explainParseError(const CLI::ParseError &error, const CLI::App &tool, const std::vector<std::string> &arguments) {
  auto commands = tool.get_subcommands();
  const CLI::App &command = commands.empty() ? tool : *commands.front();
  std::string name = commands.empty() ? "vit-run" : "vit-run " + command.get_name();
  std::string sentence = error.what();
  if (dynamic_cast<const CLI::ExtrasError *>(&error)) {
    std::vector<std::string> names = optionNames(command);
    for (std::string argument : arguments) {
      argument = argument.substr(0, argument.find('='));
      if (argument.starts_with("--") && std::find(names.begin(), names.end(), argument) == names.end()) {
        sentence = fmt::format("unknown option {}{}", argument, suggestion(argument, names));
        break;
      }
    }
  }
  if (!sentence.empty() && sentence.back() == '.')
    sentence.pop_back();
  return failUsage(fmt::format("{} (`{} --help` lists what there is)", sentence, name));
}

/// Help without the words of CLI11 for types and ranges, which the descriptions make superfluous.
class PlainFormatter : public CLI::Formatter {
public:
  std::string make_option_opts(const CLI::Option *option) const override {
    std::string type = option->get_type_name(); // "N:UINT in [1 - 4096]"
    type = type.substr(0, type.find(':'));
    return (option->get_positional() || type.empty() ? "" : "=" + type);
  }
};

/// Ctrl-C leaves no half-written file behind; only async-signal-safe calls are made.
void onInterrupt(int) {
  vitrt::removeUncommittedFiles();
  constexpr char message[] = "\nvit-run: interrupted\n";
  [[maybe_unused]] ssize_t n = write(STDERR_FILENO, message, sizeof(message) - 1);
  _exit(ExitInterrupted);
}

int runAction(const Action &action) {
  int code = ExitFailed;
  try {
    code = action();
  } catch (const std::bad_alloc &) {
    return fail("out of memory");
  } catch (const std::exception &exception) {
    return fail(fmt::format("unexpected failure: {}", exception.what()));
  }
  // What was printed must have arrived: a full disk shows itself here.
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return fail(fmt::format("the output cannot be written: {}", std::strerror(errno)));
  return code;
}

} // namespace

int runCommandLine(int argc, char **argv) {
  std::signal(SIGINT, onInterrupt);
  std::signal(SIGTERM, onInterrupt);
  std::signal(SIGHUP, onInterrupt);
  std::signal(SIGXFSZ, SIG_IGN); // a file over the limit is then an error of write(), which has a sentence
  CLI::App tool("Runs Vision Transformers that vitc compiled.", "vit-run");
  tool.set_version_flag("--version", "vit-run " VITC_VERSION);
  tool.footer("Example:\n  vit-run classify model.vitx photographs/ --topk=3\n\n`vit-run COMMAND --help` explains a command.\n"
              "Exit codes: 0 done, 1 failed or mismatch, 2 bad usage, 130 interrupted.");
  tool.require_subcommand(1);
  tool.formatter(std::make_shared<PlainFormatter>());
  Action action;
  for (auto add : {addClassifyCommand, addInferCommand, addEvalCommand, addBenchCommand, addTrainCommand, addAttentionCommand,
                   addCompareCommand, addInspectCommand})
    add(tool, action);

  std::vector<std::string> arguments(argv + 1, argv + argc);
  std::vector<std::string> names, listed;
  for (const CLI::App *command : tool.get_subcommands([](CLI::App *) { return true; })) {
    names.push_back(command->get_name());
    if (!command->get_group().empty())
      listed.push_back(command->get_name());
  }
  if (arguments.empty())
    return failUsage(fmt::format("no command given, expected one of: {}", fmt::join(listed, ", ")));
  if (!arguments[0].starts_with('-') && std::find(names.begin(), names.end(), arguments[0]) == names.end())
    return failUsage(fmt::format("unknown command `{}`{}, expected one of: {}", arguments[0], suggestion(arguments[0], listed),
                                 fmt::join(listed, ", ")));
  try {
    tool.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == int(CLI::ExitCodes::Success))
      return tool.exit(error); // --help, --version
    return explainParseError(error, tool, arguments);
  }
  return runAction(action);
}

} // namespace vitrun
