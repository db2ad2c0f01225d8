from culturepark.cli.app import main

main()
