/*
 * What the shells are given. Each script asks `dsom __complete -- WORD…` with the words up to the cursor, unquoted. The first line of the answer
 * is `+` when file names may stand there too, else `-`; every further line is a candidate for the whole last word. A shell without an answer
 * completes file names.
 */
export const completionScripts: Readonly<Record<string, string>> = {
  bash: `# eval "$(dsom completion bash)"   in ~/.bashrc
_dsom_complete() {
  # To bash, words end at colons and keep their quotes: here the line is cut as it will be when the command runs.
  local line="\${COMP_LINE:0:COMP_POINT}" words=() word='' quote='' begun='' c i
  for ((i = 0; i < \${#line}; i++)); do
    c="\${line:i:1}"
    if [[ "$quote" == "'" && "$c" != "'" ]]; then word+="$c"
    elif [[ "$c" == \\\\ ]]; then ((i++)); word+="\${line:i:1}" begun=1
    elif [[ -n "$quote" && "$c" == "$quote" ]]; then quote=''
    elif [[ -n "$quote" ]]; then word+="$c"
    elif [[ "$c" == \\' || "$c" == \\" ]]; then quote="$c" begun=1
    elif [[ "$c" == [[:space:]] ]]; then
      [[ -n "$begun" ]] && words+=("$word")
      word='' begun=''
    else word+="$c" begun=1
    fi
  done
  local found=() kind='' one
  {
    IFS= read -r kind
    while IFS= read -r one; do found+=("$one"); done
  } < <(dsom __complete -- "\${words[@]:1}" "$word" 2>/dev/null)
  if [[ \${#found[@]} -eq 0 ]]; then
    [[ "$kind" == - ]] || compopt -o default
    return
  fi
  [[ "$kind" == + ]] && while IFS= read -r one; do found+=("$one"); done < <(compgen -f -- "$word")
  [[ \${#found[@]} -eq 1 && "\${found[0]}" == */ ]] && compopt -o nospace
  # Bash replaces what comes behind the last of these, or from the last @ on, and takes it as it is.
  local before="\${word%"\${word##*[:=]}"}"
  [[ "\${word#"$before"}" == *@* ]] && before="\${word%@*}"
  for one in "\${found[@]}"; do
    if [[ -z "$quote" ]]; then
      one="\${one#"$before"}"
      [[ -n "$one" ]] && printf -v one %q "$one"
    fi
    COMPREPLY+=("$one")
  done
}
complete -F _dsom_complete dsom
`,
  zsh: `#compdef dsom
# eval "$(dsom completion zsh)"   in ~/.zshrc, behind compinit; or, as a file: dsom completion zsh > "\${fpath[1]}/_dsom"
_dsom() {
  local -a found
  found=("\${(@f)$(dsom __complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  local kind=$found[1]
  found=("\${(@)found[2,-1]}")
  if (( $#found )); then
    compadd -S '' -- \${(M)found:#*/}
    compadd -- \${found:#*/}
  fi
  [[ $kind == - ]] || _files
}
if [[ $funcstack[1] == _dsom ]]; then _dsom "$@"; else compdef _dsom dsom; fi
`,
  fish: `# dsom completion fish > ~/.config/fish/completions/dsom.fish
function __dsom_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l word (commandline -ct | string unescape)
    or set word (commandline -ct | string trim -l -c '\\'"')
    set -l found (dsom __complete -- $words "$word" 2>/dev/null)
    printf '%s\\n' $found[2..-1]
    test "$found[1]" = -
    or __fish_complete_path (commandline -ct)
end
complete -c dsom -f -a '(__dsom_complete)'
`,
};
